/** An address of 128 bits as four words of 32, the most significant first. Words are signed, as bitwise operators give them. */
export type IpWords = readonly [number, number, number, number];

/** An address that ranges are compared with. Of IPv4 only the last word is used; the others are 0. */
export interface IpAddress {
  readonly family: 4 | 6;
  readonly words: IpWords;
}

const GROUPS_OF_IPV6 = 8;
const DIGITS_OF_GROUP = 4;
/** Characters as codes, which are compared faster. */
const DOT = 0x2e;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const LETTER_A = 0x61;
const LETTER_F = 0x66;
/** The bit by which small letters differ from capital ones. */
const CAPITAL_TO_SMALL = 0x20;
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
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === DOT) {
      if (digits === 0) return undefined;
      bits = (bits << 8) | part;
      dots++;
      part = 0;
      digits = 0;
    } else if (code >= DIGIT_0 && code <= DIGIT_9) {
      if (digits > 0 && part === 0) return undefined;
      part = part * 10 + code - DIGIT_0;
      digits++;
      if (part > 255) return undefined;
    } else return undefined;
  }
  return dots === 3 && digits > 0 ? (bits << 8) | part : undefined;
}

/** Group by group, for this, too, runs twice in each evaluation. */
function parseIpv6(text: string): IpWords | undefined {
  const groups: number[] = [];
  /** Groups before `::`. */
  let gap: number | undefined;
  // Of two colons that begin the text the second ends an empty group, as in the middle; one alone ends none.
  let start = text.startsWith('::') ? 1 : 0;
  while (start < text.length) {
    const colon = text.indexOf(':', start);
    const end = colon === -1 ? text.length : colon;
    const group = parseGroup(text, start, end);
    if (group !== undefined) groups.push(group);
    else if (start === end && start > 0 && gap === undefined) gap = groups.length;
    else {
      const ipv4 = parseIpv4(text.slice(start));
      if (ipv4 === undefined) return undefined;
      groups.push(ipv4 >>> 16, ipv4 & 0xffff);
    }
    start = end + 1;
  }
  // A colon ends the text: it has to be one of two.
  if (start === text.length && gap !== groups.length) return undefined;
  const omitted = GROUPS_OF_IPV6 - groups.length;
  // RFC 4291 2.2: `::` stands for one group or more.
  if (gap === undefined ? omitted !== 0 : omitted < 1) return undefined;
  return wordsOf(groups, gap ?? GROUPS_OF_IPV6, omitted);
}

/** One to four hexadecimal digits. */
function parseGroup(text: string, start: number, end: number): number | undefined {
  if (start === end || end - start > DIGITS_OF_GROUP) return undefined;
  let group = 0;
  for (let at = start; at < end; at++) {
    const digit = parseHexDigit(text.charCodeAt(at));
    if (digit === undefined) return undefined;
    group = (group << 4) | digit;
  }
  return group;
}

function parseHexDigit(code: number): number | undefined {
  if (code >= DIGIT_0 && code <= DIGIT_9) return code - DIGIT_0;
  const letter = code | CAPITAL_TO_SMALL;
  return letter >= LETTER_A && letter <= LETTER_F ? letter - LETTER_A + 10 : undefined;
}

/** The groups as words, with `omitted` zeros after the first `gap`. */
function wordsOf(groups: readonly number[], gap: number, omitted: number): IpWords {
  const words: [number, number, number, number] = [0, 0, 0, 0];
  for (const [index, group] of groups.entries()) {
    const at = index < gap ? index : index + omitted;
    words[at >> 1] = (words[at >> 1] ?? 0) | (at % 2 === 0 ? group << 16 : group);
  }
  return words;
}
