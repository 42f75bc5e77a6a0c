import { constants } from 'node:os';
import { expect, test } from 'vitest';
import * as ours from './kernel-constants.ts';

/**
 * Every number this package passes to the kernel, as the kernel's headers write it (octal for files and sockets). All of
 * these headers are common to x86-64 and arm64, or arm64 takes the asm-generic one and x86-64 agrees with it.
 */
const HEADERS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  'linux/socket.h': { AF_INET: 2, AF_INET6: 10, SOL_SOCKET: 1, MSG_PEEK: 2 },
  'linux/net.h': { SOCK_STREAM: 1, SOCK_NONBLOCK: 0o4_000, SOCK_CLOEXEC: 0o2_000_000, SHUT_WR: 1 },
  'asm-generic/socket.h': { SO_REUSEADDR: 2, SO_ERROR: 4, SO_LINGER: 13, SO_REUSEPORT: 15 },
  'linux/in.h': { IPPROTO_TCP: 6, IPPROTO_IPV6: 41 },
  'linux/in6.h': { IPV6_V6ONLY: 26 },
  'linux/tcp.h': { TCP_NODELAY: 1 },
  'asm-generic/fcntl.h': { O_NONBLOCK: 0o4_000, O_CLOEXEC: 0o2_000_000 },
  'linux/eventpoll.h': {
    EPOLL_CLOEXEC: 0o2_000_000,
    EPOLL_CTL_ADD: 1,
    EPOLL_CTL_DEL: 2,
    EPOLL_CTL_MOD: 3,
    EPOLLIN: 0x1,
    EPOLLPRI: 0x2,
    EPOLLOUT: 0x4,
    EPOLLERR: 0x8,
    EPOLLHUP: 0x10,
    EPOLLRDHUP: 0x2000,
    EPOLLET: 2 ** 31,
  },
  'linux/eventfd.h': { EFD_NONBLOCK: 0o4_000, EFD_CLOEXEC: 0o2_000_000 },
  'asm-generic/mman-common.h': {
    PROT_READ: 1,
    PROT_WRITE: 2,
    MAP_PRIVATE: 2,
    MAP_ANONYMOUS: 0x20,
    MAP_NORESERVE: 0x4000,
    MADV_DONTNEED: 4,
    MADV_NOHUGEPAGE: 15,
  },
};

const numbers: Readonly<Record<string, number>> = { ...ours };

test.each(Object.entries(HEADERS))('as in %s', (_header, expected) => {
  expect(numbers).toMatchObject(expected);
});

const errors = Object.keys(numbers).filter((name) => /^E[A-Z]+$/.test(name) && !name.startsWith('EPOLL'));

test.each(errors)('%s as this system has it', (name) => {
  expect(numbers[name]).toBe(Object.entries(constants.errno).find(([other]) => other === name)?.[1]);
});

test('every exported number is in a table', () => {
  const known = new Set([...Object.values(HEADERS).flatMap((header) => Object.keys(header)), ...errors]);
  expect(Object.keys(numbers).filter((name) => !known.has(name))).toEqual([]);
});
