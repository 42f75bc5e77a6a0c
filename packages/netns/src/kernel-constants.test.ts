import { expect, test } from 'vitest';
import * as constants from './kernel-constants.ts';
import * as netlink from './rtnetlink/core/netlink-constants.ts';

/**
 * Every number this package passes to the kernel, as the kernel's headers write it (octal for files and sockets). All of
 * these headers are common to x86-64 and arm64, or arm64 takes the asm-generic one and x86-64 agrees with it.
 */
const HEADERS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  'linux/socket.h': {
    AF_UNIX: 1,
    AF_INET: 2,
    AF_NETLINK: 16,
    AF_PACKET: 17,
    AF_INET6: 10,
    SOL_SOCKET: 1,
    SOL_NETLINK: 270,
  },
  'linux/net.h': {
    SOCK_STREAM: 1,
    SOCK_DGRAM: 2,
    SOCK_RAW: 3,
    SOCK_SEQPACKET: 5,
    SOCK_NONBLOCK: 0o4_000,
    SOCK_CLOEXEC: 0o2_000_000,
  },
  'asm-generic/fcntl.h': {
    O_NONBLOCK: 0o4_000,
    O_ASYNC: 0o20_000,
    O_CLOEXEC: 0o2_000_000,
    F_GETFD: 1,
    F_SETFL: 4,
    F_SETSIG: 10,
    F_SETOWN_EX: 15,
  },
  'linux/fcntl.h': { F_DUPFD_CLOEXEC: 1_024 + 6 },
  'asm-generic/socket.h': {
    SO_REUSEADDR: 2,
    SO_ERROR: 4,
    SO_RCVBUF: 8,
    SO_KEEPALIVE: 9,
    SO_REUSEPORT: 15,
    SO_BINDTODEVICE: 25,
    SO_RCVTIMEO: 20,
    SO_RCVBUFFORCE: 33,
    SO_MARK: 36,
  },
  'linux/in.h': {
    IPPROTO_IP: 0,
    IPPROTO_TCP: 6,
    IPPROTO_IPV6: 41,
    IP_FREEBIND: 15,
    IP_TRANSPARENT: 19,
    IP_BIND_ADDRESS_NO_PORT: 24,
  },
  'linux/in6.h': { IPV6_V6ONLY: 26, IPV6_TRANSPARENT: 75, IPV6_FREEBIND: 78 },
  'linux/netfilter_ipv4.h and linux/netfilter_ipv6/ip6_tables.h': { SO_ORIGINAL_DST: 80 },
  'linux/tcp.h': { TCP_NODELAY: 1, TCP_KEEPIDLE: 4, TCP_KEEPINTVL: 5, TCP_KEEPCNT: 6, TCP_USER_TIMEOUT: 18 },
  'linux/sched.h': { CLONE_NEWNET: 0x4000_0000 },
  'linux/nsfs.h': { NS_GET_NSTYPE: (0xb7 << 8) | 0x3 },
  'linux/mount.h': { MS_BIND: 4_096 },
  'linux/fs.h (umount2)': { MNT_DETACH: 2, UMOUNT_NOFOLLOW: 8 },
  'asm-generic/poll.h': { POLLIN: 1, POLLOUT: 4, POLLERR: 8, POLLHUP: 0x10, POLLNVAL: 0x20 },
  'linux/socket.h (flags)': {
    MSG_PEEK: 2,
    MSG_CTRUNC: 8,
    MSG_TRUNC: 0x20,
    MSG_DONTWAIT: 0x40,
    MSG_NOSIGNAL: 0x4000,
    MSG_CMSG_CLOEXEC: 0x4000_0000,
    SCM_RIGHTS: 1,
  },
  'linux/if_ether.h': { ETH_P_ALL: 3 },
  'linux/sockios.h': { SIOCGIFINDEX: 0x8933 },
  'asm-generic/resource.h': { RLIMIT_NOFILE: 7 },
  'linux/netlink.h': { NETLINK_ROUTE: 0, NETLINK_CAP_ACK: 10, NETLINK_EXT_ACK: 11, NETLINK_GET_STRICT_CHK: 12 },
};

/** Names whose numbers arm64 defines differently from x86-64 (arch/arm64/include/uapi/asm/fcntl.h, unistd.h, epoll's packing). */
const DIFFERENT_ON_ARM64 =
  /^(O_DIRECTORY|O_NOFOLLOW|O_DIRECT|O_LARGEFILE|O_TMPFILE|O_PATH_.*|__NR_.*|SYS_.*|EPOLL.*|MAP_32BIT|AT_SYSINFO.*|SA_RESTORER|HWCAP.*)$/;

test('every number is the one in the kernel’s common headers', () => {
  const expected = Object.assign({}, ...Object.values(HEADERS));
  expect({ ...constants }).toEqual(expected);
});

test('none is a number that differs between x86-64 and arm64', () => {
  expect(Object.keys({ ...constants, ...netlink }).filter((name) => DIFFERENT_ON_ARM64.test(name))).toEqual([]);
});
