/*
 * Layouts of linux/rtnetlink.h, linux/if_addr.h and linux/fib_rules.h beside those of `kernel-structs.ts`: offsets of the
 * fields in bytes, and `size`. All their fields have fixed widths and natural alignment, so x86-64 and arm64 agree.
 */

/** `struct nlattr` (`struct rtattr`); the value follows, and the next one begins at a multiple of `NLA_ALIGNMENT`. */
export const NLATTR = { size: 4, length: 0, type: 2 } as const;
/** `NLA_ALIGNTO`, `NLMSG_ALIGNTO` and `RTNH_ALIGNTO`. */
export const NETLINK_ALIGNMENT = 4;

/** `struct ifaddrmsg`. */
export const IFADDRMSG = { size: 8, family: 0, prefixLength: 1, flags: 2, scope: 3, index: 4 } as const;

/** `struct rtmsg`. */
export const RTMSG = {
  size: 12,
  family: 0,
  dstLength: 1,
  srcLength: 2,
  tos: 3,
  table: 4,
  protocol: 5,
  scope: 6,
  type: 7,
  flags: 8,
} as const;

/** `struct rtnexthop`; its attributes follow. */
export const RTNEXTHOP = { size: 8, length: 0, flags: 2, hops: 3, index: 4 } as const;

/** `struct rtvia`: a family, then the address. */
export const RTVIA = { family: 0, address: 2 } as const;

/** `struct fib_rule_hdr`. */
export const FIB_RULE_HDR = {
  size: 12,
  family: 0,
  dstLength: 1,
  srcLength: 2,
  tos: 3,
  table: 4,
  action: 7,
  flags: 8,
} as const;
