import type { AddressRange } from '../policy.ts';
import { type IpAddress, type IpWords, parseIpAddress, unmapIpAddress } from './ip-address.ts';
import { renderIpAddress } from './render-ip-address.ts';

/** An address range made ready for comparing. */
export interface IpRange {
  readonly family: IpAddress['family'];
  readonly words: IpWords;
  /** Bits that have to be equal. */
  readonly mask: IpWords;
}

/** Bits of an address of each family. */
export const FAMILY_BITS = { 4: 32, 6: 128 } as const;
const WORD_BITS = 32;

/** Reads a range. Undefined if its address is none, or its length is no whole number from 0 to 32, or 128 for IPv6. */
export function parseRange(range: AddressRange): IpRange | undefined {
  const ip = parseIpAddress(range.address);
  if (ip === undefined || !Number.isInteger(range.length)) return undefined;
  const bits = FAMILY_BITS[ip.family];
  if (range.length < 0 || range.length > bits) return undefined;
  // IPv4 uses the last of the four words, so all bits before it have to be equal, too: they are 0 on both sides.
  const length = FAMILY_BITS[6] - bits + range.length;
  return { ...ip, mask: [wordMask(length), wordMask(length - 32), wordMask(length - 64), wordMask(length - 96)] };
}

/**
 * Whether an address is in a range. Families never cross: a range of IPv6 contains no IPv4 address, not even `::/0` or
 * `::ffff:0:0/96` (spec policy.md §4.3).
 */
export function contains({ family, words, mask }: IpRange, ip: IpAddress): boolean {
  return (
    family === ip.family &&
    ((words[3] ^ ip.words[3]) & mask[3]) === 0 &&
    ((words[2] ^ ip.words[2]) & mask[2]) === 0 &&
    ((words[1] ^ ip.words[1]) & mask[1]) === 0 &&
    ((words[0] ^ ip.words[0]) & mask[0]) === 0
  );
}

/** Bits before the IPv4 address in a v4-mapped one (`::ffff:0:0/96`, RFC 4291 2.5.5.2). */
const MAPPED_BITS = 96;

/**
 * The range of IPv4 that was meant by one of v4-mapped addresses alone: no connection is in that, for its addresses are
 * unmapped. Undefined for any other range.
 */
export function unmapRange(range: AddressRange): AddressRange | undefined {
  const parsed = parseRange(range);
  if (parsed === undefined || range.length < MAPPED_BITS) return undefined;
  const ip = unmapIpAddress(parsed);
  return ip.family === 6 ? undefined : { address: renderIpAddress(ip), length: range.length - MAPPED_BITS };
}

/** A word whose first `length` bits are set: none if it is negative, all if it is more than the word has. */
function wordMask(length: number): number {
  // A shift by 32 bits would be one by none.
  return length <= 0 ? 0 : -1 << (WORD_BITS - Math.min(length, WORD_BITS));
}
