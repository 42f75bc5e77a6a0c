import type { IpAddress } from './ip-address.ts';

/** An address as text: IPv4 as four numbers, IPv6 in the short form of RFC 5952 4. */
export function renderIpAddress({ family, words }: IpAddress): string {
  return family === 4 ? renderIpv4(words[3]) : renderIpv6(words.flatMap((word) => [word >>> 16, word & 0xffff]));
}

function renderIpv4(bits: number): string {
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 0xff).join('.');
}

function renderIpv6(groups: readonly number[]): string {
  const text = groups.map((group) => group.toString(16)).join(':');
  const longest = [...text.matchAll(/\b0(?::0)+\b/g)]
    .map(({ index, 0: zeros }) => ({ index, length: zeros.length }))
    .reduce((best, run) => (run.length > best.length ? run : best), { index: 0, length: 0 });
  if (longest.length === 0) return text;
  const before = text.slice(0, longest.index).replace(/:$/, '');
  const after = text.slice(longest.index + longest.length + 1);
  return `${before}::${after}`;
}
