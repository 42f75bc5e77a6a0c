import { ADDRESS_BITS, maskGroups, parseAddress } from '../address.ts';
import type { Family } from '../rule.ts';

/** A parsed address: comparable, with the text it was read from. */
export interface IpAddress {
  readonly family: Family;
  /** Of 16 bits, see `parseAddress`. */
  readonly groups: readonly number[];
  /** As it was written. */
  readonly text: string;
}

/** Reads an address of either family: no prefix, no zone, no brackets; undefined for anything else. */
export function parseIpAddress(text: string): IpAddress | undefined {
  const family = text.includes(':') ? 'ipv6' : 'ipv4';
  const groups = parseAddress(text, family);
  return groups && { family, groups, text };
}

/** Whether the first `length` bits of both addresses are the same (all, where absent); false for different families. */
export function sharesPrefix(a: IpAddress, b: IpAddress, length: number = ADDRESS_BITS[a.family]): boolean {
  if (a.family !== b.family) return false;
  const wanted = maskGroups(b.groups, length);
  return maskGroups(a.groups, length).every((group, index) => group === wanted[index]);
}

/** 127.0.0.0/8 or ::1. */
export function isLoopback({ family, groups }: IpAddress): boolean {
  const [first = 0] = groups;
  return family === 'ipv4' ? first >> 8 === 127 : groups.every((group, index) => group === (index === 7 ? 1 : 0));
}

/** 224.0.0.0/4 or ff00::/8. */
export function isMulticast({ family, groups }: IpAddress): boolean {
  const [first = 0] = groups;
  return family === 'ipv4' ? first >> 12 === 0xe : first >> 8 === 0xff;
}
