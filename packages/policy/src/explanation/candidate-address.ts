import { contains, FAMILY_BITS, parseRange } from '../matching/address-range.ts';
import { type IpAddress, type IpWords, parseIpAddress, unmapIpAddress } from '../matching/ip-address.ts';
import { renderIpAddress } from '../matching/render-ip-address.ts';
import type { AddressRange } from '../policy.ts';
import { renderRange } from './render-value.ts';

/** An address instead of the one that a connection has, and how to say so. */
export interface NewAddress {
  readonly address: string;
  readonly words: string;
}

const WORD_BITS = 32;

/** The first host of each range, or its only address. */
export function addressesIn(ranges: readonly AddressRange[]): readonly NewAddress[] {
  return ranges.flatMap((range) => {
    const network = firstAddress(range);
    if (network === undefined) return [];
    if (range.length === FAMILY_BITS[network.family])
      return [{ address: renderIpAddress(network), words: renderIpAddress(network) }];
    const address = renderIpAddress(flipBit(network, FAMILY_BITS[network.family] - 1));
    return [{ address, words: `in ${renderRange(range)} (such as ${address})` }];
  });
}

/** Of each range that an address is in, the address most like it that is not. */
export function addressesOutside(ranges: readonly AddressRange[], text: string): readonly NewAddress[] {
  const parsedIp = parseIpAddress(text);
  if (parsedIp === undefined) return [];
  const ip = unmapIpAddress(parsedIp);
  return ranges.flatMap((range) => {
    const parsed = parseRange(range);
    if (parsed === undefined || range.length === 0 || !contains(parsed, ip)) return [];
    const address = renderIpAddress(flipBit(ip, range.length - 1));
    return [{ address, words: `outside ${renderRange(range)} (such as ${address})` }];
  });
}

function firstAddress(range: AddressRange): IpAddress | undefined {
  const parsed = parseRange(range);
  if (parsed === undefined) return undefined;
  const [a, b, c, d] = parsed.words;
  const [maskA, maskB, maskC, maskD] = parsed.mask;
  return { family: parsed.family, words: [a & maskA, b & maskB, c & maskC, d & maskD] };
}

/** `bit` counts from the first bit of the family. */
function flipBit({ family, words }: IpAddress, bit: number): IpAddress {
  const at = FAMILY_BITS[6] - FAMILY_BITS[family] + bit;
  const flipped = words.map((word, index) =>
    index === Math.floor(at / WORD_BITS) ? word ^ (1 << (WORD_BITS - 1 - (at % WORD_BITS))) : word,
  );
  const [a = 0, b = 0, c = 0, d = 0] = flipped;
  const result: IpWords = [a, b, c, d];
  return { family, words: result };
}
