import { IptablesError } from '../errors.ts';
import type { Family } from './rule.ts';

/** Bits of an address. */
export const ADDRESS_BITS = { ipv4: 32, ipv6: 128 } as const;

const HEXADECIMAL = 16;
const GROUPS = 8;
/** Bits of each of the numbers that {@link parseAddress} gives. */
export const GROUP_BITS = 16;
const GROUP_MASK = 0xffff;
const BYTE_BITS = 8;
const BYTE_MASK = 0xff;
const BYTE_VALUES = 0x100;
const GROUP_VALUES = 0x1_0000;
const IPV4_BYTES = 4;
const ZERO = 48;
const DOT = 46;

/** Throws `IPTABLES_RULE_INVALID` for anything but a family: the compiler may not have been asked. */
export function assertFamily(family: Family): void {
  if (!Object.hasOwn(ADDRESS_BITS, family))
    throw new IptablesError('IPTABLES_RULE_INVALID', `family ${JSON.stringify(family)}: want "ipv4" or "ipv6"`);
}

/**
 * Reads an address as numbers of 16 bits, two for IPv4 and eight for IPv6; undefined where it is none of `family`.
 * IPv4 needs four decimal numbers without leading zeros; IPv6 may end in four such numbers, and has no zone.
 */
export function parseAddress(text: string, family: Family): readonly number[] | undefined {
  return family === 'ipv4' ? parseIpv4(text) : parseIpv6(text);
}

/** The address as the C library prints it, which is how iptables lists it: the inverse of {@link parseAddress}. */
export function renderGroups(groups: readonly number[]): string {
  if (groups.length < GROUPS) return groups.map((group) => `${group >> BYTE_BITS}.${group & BYTE_MASK}`).join('.');
  const { start, length } = longestZeros(groups);
  // glibc shows ::10.0.0.1 and ::ffff:10.0.0.1 so.
  if (start === 0 && (length === 6 || (length === 5 && groups[5] === GROUP_MASK)))
    return `::${length === 5 ? 'ffff:' : ''}${renderGroups(groups.slice(6))}`;
  const hex = groups.map((group) => group.toString(HEXADECIMAL));
  if (length < 2) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

/** Clears what is behind the first `length` bits. */
export function maskGroups(groups: readonly number[], length: number): readonly number[] {
  return groups.map((group, index) => {
    const kept = Math.min(GROUP_BITS, Math.max(0, length - index * GROUP_BITS));
    return group & (GROUP_MASK << (GROUP_BITS - kept)) & GROUP_MASK;
  });
}

/** Whether all bits behind the first `length` are clear. */
export function isMasked(groups: readonly number[], length: number): boolean {
  for (let index = 0; index < groups.length; index++) {
    const kept = Math.min(GROUP_BITS, Math.max(0, length - index * GROUP_BITS));
    if (((groups[index] ?? 0) & (GROUP_MASK >> kept)) !== 0) return false;
  }
  return true;
}

/** The spelling of iptables, or `text` itself where it is no address of the family. */
export function listAddress(text: string, family: Family): string {
  if (family === 'ipv4') return text;
  const groups = parseIpv6(text);
  return groups === undefined ? text : renderGroups(groups);
}

function parseIpv4(text: string): readonly number[] | undefined {
  let value = 0;
  let bytes = 0;
  let start = 0;
  for (let at = 0; at <= text.length; at++) {
    const code = at === text.length ? DOT : text.charCodeAt(at);
    if (code === DOT) {
      const byte = parseByte(text, start, at);
      if (byte === -1) return undefined;
      value = value * BYTE_VALUES + byte;
      bytes += 1;
      start = at + 1;
    }
  }
  return bytes === IPV4_BYTES ? [Math.floor(value / GROUP_VALUES), value % GROUP_VALUES] : undefined;
}

/** Decimal without leading zeros; -1 for anything else. */
function parseByte(text: string, start: number, end: number): number {
  if (end === start || end - start > 3 || (end - start > 1 && text.charCodeAt(start) === ZERO)) return -1;
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = text.charCodeAt(at) - ZERO;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value > BYTE_MASK ? -1 : value;
}

function parseIpv6(text: string): readonly number[] | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half, index) => parseGroups(half, index === halves.length - 1));
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined;
  if (tail === undefined) return head.length === GROUPS ? head : undefined;
  const missing = GROUPS - head.length - tail.length;
  return missing < 1 ? undefined : [...head, ...Array.from({ length: missing }, () => 0), ...tail];
}

function parseGroups(text: string, last: boolean): readonly number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    const embedded = last && index === parts.length - 1 && part.includes('.') ? parseIpv4(part) : undefined;
    if (embedded !== undefined) groups.push(...embedded);
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, HEXADECIMAL));
    else return undefined;
  }
  return groups;
}

function longestZeros(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: -1, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === 0) end += 1;
    if (end - start > best.length) best = { start, length: end - start };
  }
  return best;
}
