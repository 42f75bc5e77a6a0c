import { assertDescriptor } from './descriptors.ts';
import { NetnsError } from './errors.ts';
import { encodeInterfaceName } from './interface-name.ts';
import {
  IP_FREEBIND,
  IP_TRANSPARENT,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_FREEBIND,
  IPV6_TRANSPARENT,
  IPV6_V6ONLY,
  SO_BINDTODEVICE,
  SO_ERROR,
  SO_KEEPALIVE,
  SO_MARK,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOL_SOCKET,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_NODELAY,
  TCP_USER_TIMEOUT,
} from './kernel-constants.ts';
import { INT_BYTES } from './kernel-structs.ts';
import { checked, native } from './native.ts';

/** When TCP probes an idle connection, and when it gives up. */
export interface KeepAlive {
  /** Seconds without traffic before the first probe. */
  readonly idleSeconds: number;
  /** Seconds between probes. */
  readonly intervalSeconds: number;
  /** Unanswered probes that end the connection. */
  readonly count: number;
}

/** A socket option by level, number and the name used in errors. */
export interface SocketOption {
  readonly level: number;
  readonly number: number;
  readonly name: string;
  /** Values the kernel takes as they are meant; all of 32 bits, signed or not, by default. */
  readonly least?: number;
  readonly most?: number;
}

/** What a call in progress sets. One for all: a connection of a proxy sets ten, and a buffer each was half of their cost. */
const OPTION_VALUE = Buffer.alloc(INT_BYTES);

const INT_MIN = -(2 ** 31);
const INT_MAX = 2 ** 31 - 1;
const UINT_MAX = 2 ** 32 - 1;
/** `MAX_TCP_KEEPIDLE` and `MAX_TCP_KEEPINTVL` of Linux. */
const MAX_KEEP_SECONDS = 32_767;
/** `MAX_TCP_KEEPCNT` of Linux. */
const MAX_KEEP_COUNT = 127;

export const MARK: SocketOption = { level: SOL_SOCKET, number: SO_MARK, name: 'SO_MARK', least: 0, most: UINT_MAX };
export const REUSE_PORT: SocketOption = { level: SOL_SOCKET, number: SO_REUSEPORT, name: 'SO_REUSEPORT' };
export const TRANSPARENT: SocketOption = { level: IPPROTO_IP, number: IP_TRANSPARENT, name: 'IP_TRANSPARENT' };
export const TRANSPARENT_V6: SocketOption = {
  level: IPPROTO_IPV6,
  number: IPV6_TRANSPARENT,
  name: 'IPV6_TRANSPARENT',
};
export const FREE_BIND: SocketOption = { level: IPPROTO_IP, number: IP_FREEBIND, name: 'IP_FREEBIND' };
export const FREE_BIND_V6: SocketOption = { level: IPPROTO_IPV6, number: IPV6_FREEBIND, name: 'IPV6_FREEBIND' };
export const V6_ONLY: SocketOption = { level: IPPROTO_IPV6, number: IPV6_V6ONLY, name: 'IPV6_V6ONLY' };
export const REUSE_ADDRESS: SocketOption = { level: SOL_SOCKET, number: SO_REUSEADDR, name: 'SO_REUSEADDR' };
const NO_DELAY: SocketOption = { level: IPPROTO_TCP, number: TCP_NODELAY, name: 'TCP_NODELAY' };
const KEEP_ALIVE: SocketOption = { level: SOL_SOCKET, number: SO_KEEPALIVE, name: 'SO_KEEPALIVE' };
const KEEP_IDLE: SocketOption = {
  level: IPPROTO_TCP,
  number: TCP_KEEPIDLE,
  name: 'TCP_KEEPIDLE',
  least: 1,
  most: MAX_KEEP_SECONDS,
};
const KEEP_INTERVAL: SocketOption = {
  level: IPPROTO_TCP,
  number: TCP_KEEPINTVL,
  name: 'TCP_KEEPINTVL',
  least: 1,
  most: MAX_KEEP_SECONDS,
};
const KEEP_COUNT: SocketOption = {
  level: IPPROTO_TCP,
  number: TCP_KEEPCNT,
  name: 'TCP_KEEPCNT',
  least: 1,
  most: MAX_KEEP_COUNT,
};
const USER_TIMEOUT: SocketOption = {
  level: IPPROTO_TCP,
  number: TCP_USER_TIMEOUT,
  name: 'TCP_USER_TIMEOUT',
  least: 0,
  most: INT_MAX,
};
const PENDING_ERROR: SocketOption = { level: SOL_SOCKET, number: SO_ERROR, name: 'SO_ERROR' };

/**
 * Sets an integer option; returns whether the kernel took it (if not, `native().errno()` says why).
 * @throws {NetnsError} `NETNS_INVALID_ARGUMENT` if `value` is no integer in the option's range, or `fd` no descriptor.
 */
export function trySetOption(fd: number, option: SocketOption, value: number): boolean {
  assertDescriptor(fd);
  const { least = INT_MIN, most = UINT_MAX } = option;
  if (!Number.isInteger(value) || value < least || value > most)
    throw new NetnsError(
      'NETNS_INVALID_ARGUMENT',
      `${option.name}=${value}: want a whole number from ${least} to ${most}`,
    );
  OPTION_VALUE.writeInt32LE(value | 0);
  return native().setsockopt(fd, option.level, option.number, OPTION_VALUE, INT_BYTES) === 0;
}

/** Sets an integer option. @throws {NetnsError} `NETNS_PERMISSION`, `NETNS_INVALID_ARGUMENT`, `NETNS_SYSTEM_CALL`. */
export function setOption(fd: number, option: SocketOption, value: number, namespaceId?: bigint): void {
  const set = trySetOption(fd, option, value);
  checked(set ? 0 : -1, {
    operation: `${option.name}=${value}`,
    ...(namespaceId === undefined ? {} : { namespaceId }),
  });
}

/**
 * Lets only packets of one interface of the socket's namespace in and out (`SO_BINDTODEVICE`).
 * @throws {NetnsError} `NETNS_INVALID_ARGUMENT` (no possible name), `NETNS_SYSTEM_CALL` (ENODEV: no such interface).
 */
export function bindToDevice(fd: number, device: string, namespaceId?: bigint): void {
  assertDescriptor(fd);
  const name = encodeInterfaceName(device);
  checked(native().setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, name.length), {
    operation: 'SO_BINDTODEVICE',
    subject: device,
    remedy: 'does the namespace have this interface?',
    ...(namespaceId === undefined ? {} : { namespaceId }),
  });
}

/**
 * Sets the firewall mark of a socket's packets (`SO_MARK`, an unsigned 32-bit number).
 * @throws {NetnsError} `NETNS_PERMISSION` (CAP_NET_ADMIN), `NETNS_INVALID_ARGUMENT` (not from 0 to 2^32 - 1, no descriptor),
 * `NETNS_SYSTEM_CALL` (EBADF, ENOTSOCK).
 */
export function setMark(fd: number, mark: number): void {
  setOption(fd, MARK, mark);
}

/** Switches Nagle's algorithm off (`TCP_NODELAY`). @throws {NetnsError} `NETNS_SYSTEM_CALL`. */
export function setNoDelay(fd: number): void {
  setOption(fd, NO_DELAY, 1);
}

/**
 * Switches TCP keep-alive on with these times.
 * @throws {NetnsError} `NETNS_INVALID_ARGUMENT` (times from 1 to 32 767 seconds, 1 to 127 probes), `NETNS_SYSTEM_CALL`.
 */
export function setKeepAlive(fd: number, { idleSeconds, intervalSeconds, count }: KeepAlive): void {
  setOption(fd, KEEP_ALIVE, 1);
  setOption(fd, KEEP_IDLE, idleSeconds);
  setOption(fd, KEEP_INTERVAL, intervalSeconds);
  setOption(fd, KEEP_COUNT, count);
}

/**
 * Limits how long sent data may stay unacknowledged, in milliseconds (`TCP_USER_TIMEOUT`); 0 for the kernel's default.
 * @throws {NetnsError} `NETNS_INVALID_ARGUMENT` (not from 0 to 2^31 - 1), `NETNS_SYSTEM_CALL`.
 */
export function setUserTimeout(fd: number, userTimeoutMs: number): void {
  setOption(fd, USER_TIMEOUT, userTimeoutMs);
}

/** The firewall mark of a socket. @throws {NetnsError} `NETNS_SYSTEM_CALL` if `fd` is no socket. */
export function readMark(fd: number): number {
  return readOption(fd, MARK) >>> 0;
}

/** Whether `IP_TRANSPARENT` is set. @throws {NetnsError} `NETNS_SYSTEM_CALL` if `fd` is no IP socket. */
export function readTransparent(fd: number): boolean {
  return readOption(fd, TRANSPARENT) !== 0;
}

/** How long sent data may stay unacknowledged, in milliseconds; 0 for the kernel's default. @throws {NetnsError} `NETNS_SYSTEM_CALL`. */
export function readUserTimeout(fd: number): number {
  return readOption(fd, USER_TIMEOUT);
}

/** Whether Nagle's algorithm is off (`TCP_NODELAY`). @throws {NetnsError} `NETNS_SYSTEM_CALL`. */
export function readNoDelay(fd: number): boolean {
  return readOption(fd, NO_DELAY) !== 0;
}

/** Whether `SO_REUSEPORT` is set. @throws {NetnsError} `NETNS_SYSTEM_CALL` if `fd` is no socket. */
export function readReusePort(fd: number): boolean {
  return readOption(fd, REUSE_PORT) !== 0;
}

/** Keep-alive times of a TCP socket, or false if it is off. @throws {NetnsError} `NETNS_SYSTEM_CALL`. */
export function readKeepAlive(fd: number): KeepAlive | false {
  if (readOption(fd, KEEP_ALIVE) === 0) return false;
  return {
    idleSeconds: readOption(fd, KEEP_IDLE),
    intervalSeconds: readOption(fd, KEEP_INTERVAL),
    count: readOption(fd, KEEP_COUNT),
  };
}

/** Takes and clears the pending error of a socket (`SO_ERROR`): an errno value, 0 for none. */
export function takePendingError(fd: number): number {
  return readOption(fd, PENDING_ERROR);
}

/** Reads an integer option. @throws {NetnsError} `NETNS_SYSTEM_CALL`. */
export function readOption(fd: number, option: SocketOption): number {
  assertDescriptor(fd);
  const value = Buffer.alloc(INT_BYTES);
  const length = Buffer.alloc(INT_BYTES);
  length.writeInt32LE(value.length);
  checked(native().getsockopt(fd, option.level, option.number, value, length), {
    operation: `read ${option.name}`,
    subject: `of descriptor ${fd}`,
  });
  return value.readInt32LE(0);
}
