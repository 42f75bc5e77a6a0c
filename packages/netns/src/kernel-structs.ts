/*
 * Layouts of the C structures this package reads and writes: offsets of the fields in bytes, and `size`. They are those
 * of Linux on x86-64 (System V psABI) and on arm64 (AAPCS64), which agree for every type used here; both are little
 * endian. The test computes them from the declarations, for each of the two, and asks koffi on the machine it runs on.
 */

/** `struct msghdr` of recvmsg(2). */
export const MSGHDR = {
  size: 56,
  name: 0,
  nameLength: 8,
  vectors: 16,
  vectorCount: 24,
  control: 32,
  controlLength: 40,
  flags: 48,
} as const;

/** `struct iovec` of readv(2). */
export const IOVEC = { size: 16, base: 0, length: 8 } as const;

/** `struct cmsghdr` of cmsg(3); data follow it, and the next one begins at a multiple of `CMSG_ALIGNMENT`. */
export const CMSGHDR = { size: 16, length: 0, level: 8, type: 12 } as const;
/** `CMSG_ALIGN` rounds up to `sizeof(size_t)`. */
export const CMSG_ALIGNMENT = 8;
/** `sizeof(int)`: a descriptor in `SCM_RIGHTS`, most socket options, `socklen_t`. */
export const INT_BYTES = 4;

/** `struct sockaddr_in` of ip(7). */
export const SOCKADDR_IN = { size: 16, family: 0, port: 2, address: 4 } as const;
/** `struct in_addr`. */
export const IN_ADDR_BYTES = 4;

/** `struct sockaddr_in6` of ipv6(7). */
export const SOCKADDR_IN6 = { size: 28, family: 0, port: 2, flowInfo: 4, address: 8, scopeId: 24 } as const;
/** `struct in6_addr`. */
export const IN6_ADDR_BYTES = 16;

/** `struct sockaddr_un` of unix(7). */
export const SOCKADDR_UN = { size: 110, family: 0, path: 2 } as const;

/** `struct sockaddr_ll` of packet(7). */
export const SOCKADDR_LL = {
  size: 20,
  family: 0,
  protocol: 2,
  interfaceIndex: 4,
  hardwareType: 8,
  packetType: 10,
  addressLength: 11,
  address: 12,
} as const;

/** `struct sockaddr_nl` of netlink(7). */
export const SOCKADDR_NL = { size: 12, family: 0, padding: 2, portId: 4, groups: 8 } as const;

/** `struct nlmsghdr` of netlink(7). */
export const NLMSGHDR = { size: 16, length: 0, type: 4, flags: 6, sequence: 8, portId: 12 } as const;

/** `struct nlmsgerr` of netlink(7): the error, then the header of the message that it is about. */
export const NLMSGERR = { size: 20, error: 0, header: 4 } as const;

/** `struct ifinfomsg` of rtnetlink(7). */
export const IFINFOMSG = { size: 16, family: 0, type: 2, index: 4, flags: 8, change: 12 } as const;

/** `struct pollfd` of poll(2). */
export const POLLFD = { size: 8, fd: 0, events: 4, returnedEvents: 6 } as const;

/** `struct rlimit` of getrlimit(2). */
export const RLIMIT = { size: 16, soft: 0, hard: 8 } as const;

/** `struct timeval` of socket(7), for `SO_RCVTIMEO`. */
export const TIMEVAL = { size: 16, seconds: 0, microseconds: 8 } as const;

/** `struct f_owner_ex` of fcntl(2). */
export const F_OWNER_EX = { size: 8, type: 0, pid: 4 } as const;

/** `struct ifreq` of netdevice(7), whose union is 24 bytes for the sake of `struct ifmap`. */
export const IFREQ = { size: 40, name: 0, index: 16 } as const;
/** `IFNAMSIZ`, the final zero included. */
export const INTERFACE_NAME_BYTES = 16;
