/*
 * Layouts of the C structures that this package reads and writes: offsets of the fields in bytes, and `size`. Those of
 * Linux on x86-64 (System V psABI) and on arm64 (AAPCS64), both little endian, which agree in all but `epoll_event`.
 */

/** `struct epoll_event` of epoll_ctl(2): packed on x86-64, and on no other architecture. */
export interface EpollEventLayout {
  readonly size: number;
  readonly events: number;
  readonly data: number;
}

const EPOLL_EVENT: ReadonlyMap<string, EpollEventLayout> = new Map([
  ['x64', { size: 12, events: 0, data: 4 }],
  ['arm64', { size: 16, events: 0, data: 8 }],
]);

/** Of an architecture as `process.arch` names it; undefined for one that is not known. */
export function epollEventLayout(architecture: string): EpollEventLayout | undefined {
  return EPOLL_EVENT.get(architecture);
}

/** `struct iovec` of readv(2). */
export const IOVEC = { size: 16, base: 0, length: 8 } as const;

/** `struct sockaddr_in` of ip(7). */
export const SOCKADDR_IN = { size: 16, family: 0, port: 2, address: 4 } as const;

/** `struct sockaddr_in6` of ipv6(7). */
export const SOCKADDR_IN6 = { size: 28, family: 0, port: 2, flowInfo: 4, address: 8, scopeId: 24 } as const;

/** `struct linger` of socket(7). */
export const LINGER = { size: 8, onOff: 0, seconds: 4 } as const;

/** `sizeof(int)`, `socklen_t`. */
export const INT_BYTES = 4;
