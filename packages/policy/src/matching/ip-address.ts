/** An address of 128 bits as four words of 32, the most significant first. Words are signed, as bitwise operators give them. */
export type IpWords = readonly [number, number, number, number];

/** An address that ranges are compared with. Of IPv4 only the last word is used; the others are 0. */
export interface IpAddress {
  readonly family: 4 | 6;
  readonly words: IpWords;
}

const GROUPS_OF_IPV6 = 8;
/** `::ffff:0:0/96` as words: an IPv4 address in the form of IPv6 (RFC 4291 2.5.5.2). */
const MAPPED_THIRD_WORD = 0xffff;

/**
 * Reads an address: IPv4 as four decimal numbers, IPv6 in any form of RFC 4291 2.2. Undefined for anything else:
 * leading zeros in IPv4 (some read them as octal), zones (`%eth0`), brackets, spaces. A v4-mapped address stays IPv6
 * here: see `unmapIpAddress`.
 */
export function parseIpAddress(text: string): IpAddress | undefined {
  if (text.includes(':')) {
    const words = parseIpv6(text);
    return words && { family: 6, words };
  }
  const bits = parseIpv4(text);
  return bits === undefined ? undefined : { family: 4, words: [0, 0, 0, bits] };
}

/** `::ffff:192.0.2.1` as the IPv4 address that it stands for; any other address as it is. */
export function unmapIpAddress(ip: IpAddress): IpAddress {
  const [first, second, third, last] = ip.words;
  const mapped = first === 0 && second === 0 && third === MAPPED_THIRD_WORD;
  return mapped ? { family: 4, words: [0, 0, 0, last] } : ip;
}

/** Character by character, for this runs twice in each evaluation. */
function parseIpv4(text: string): number | undefined {
  let bits = 0;
  let dots = 0;
  let part = 0;
  let digits = 0;
  for (const character of text) {
    if (character === '.') {
      if (digits === 0) return undefined;
      bits = (bits << 8) | part;
      dots++;
      part = 0;
      digits = 0;
    } else if (character >= '0' && character <= '9') {
      if (digits > 0 && part === 0) return undefined;
      part = part * 10 + Number(character);
      digits++;
      if (part > 255) return undefined;
    } else return undefined;
  }
  return dots === 3 && digits > 0 ? (bits << 8) | part : undefined;
}

function parseIpv6(text: string): IpWords | undefined {
  const gap = text.indexOf('::');
  if (gap < 0) {
    const groups = parseGroups(text, true);
    return groups && wordsOf(groups);
  }
  const before = parseGroups(text.slice(0, gap), false);
  const after = parseGroups(text.slice(gap + 2), true);
  if (before === undefined || after === undefined) return undefined;
  const omitted = GROUPS_OF_IPV6 - before.length - after.length;
  // RFC 4291 2.2: `::` stands for one group or more.
  return omitted < 1 ? undefined : wordsOf([...before, ...Array<number>(omitted).fill(0), ...after]);
}

/** The groups between colons; at the end of the whole address the last one may be an IPv4 address. */
function parseGroups(text: string, atEnd: boolean): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (/^[\da-f]{1,4}$/i.test(part)) {
      groups.push(Number.parseInt(part, 16));
      continue;
    }
    const ipv4 = atEnd && index === parts.length - 1 ? parseIpv4(part) : undefined;
    if (ipv4 === undefined) return undefined;
    groups.push(ipv4 >>> 16, ipv4 & 0xffff);
  }
  return groups;
}

function wordsOf(groups: readonly number[]): IpWords | undefined {
  const [a, b, c, d, e, f, g, h, ...more] = groups;
  if (h === undefined || more.length > 0) return undefined;
  return [pair(a, b), pair(c, d), pair(e, f), pair(g, h)];
}

function pair(high = 0, low = 0): number {
  return (high << 16) | low;
}
