import { closeDescriptor } from './descriptors.ts';
import {
  AF_INET,
  AF_INET6,
  IP_FREEBIND,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_FREEBIND,
  IPV6_TRANSPARENT,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
} from './kernel-constants.ts';
import type { Namespace } from './namespace.ts';
import { checked, native } from './native.ts';
import { encodeSocketAddress, ipFamily } from './socket-address.ts';
import {
  type KeepAlive,
  MARK,
  type SocketOption,
  setKeepAlive,
  setNoDelay,
  setOption,
  setUserTimeout,
  TRANSPARENT,
  trySetOption,
} from './socket-options.ts';

/** The reference proxy's keep-alive: 180 s, 180 s, 9 probes. */
const DEFAULT_KEEP_ALIVE: KeepAlive = { idleSeconds: 180, intervalSeconds: 180, count: 9 };

const FOREIGN_SOURCE_V4: readonly SocketOption[] = [
  TRANSPARENT,
  { level: IPPROTO_IP, number: IP_FREEBIND, name: 'IP_FREEBIND' },
];
const FOREIGN_SOURCE_V6: readonly SocketOption[] = [
  { level: IPPROTO_IPV6, number: IPV6_TRANSPARENT, name: 'IPV6_TRANSPARENT' },
  { level: IPPROTO_IPV6, number: IPV6_FREEBIND, name: 'IPV6_FREEBIND' },
];

/** How an outgoing connection is made. */
export interface OpenTcpOptions {
  /** Family of the address that will be connected to. */
  readonly family: 4 | 6;
  /** Firewall mark; none by default. Needs CAP_NET_ADMIN. */
  readonly mark?: number;
  /** `TCP_NODELAY`; true by default. */
  readonly noDelay?: boolean;
  /** 180 s idle, 180 s interval, 9 probes by default. */
  readonly keepAlive?: KeepAlive | false;
  /** `TCP_USER_TIMEOUT` in milliseconds; the kernel's default without it. */
  readonly userTimeoutMs?: number;
  /** Address to connect from although no interface has it. Needs CAP_NET_ADMIN and rules that bring the replies back. */
  readonly source?: string;
}

/** An unconnected socket made in a namespace. */
export interface OutgoingSocket {
  /** Non-blocking, closed on exec, owned by the caller. */
  readonly fd: number;
  /** Whether `source` is bound; false without one, or where the kernel refused it (the socket is usable all the same). */
  readonly sourceKept: boolean;
}

/**
 * An unconnected TCP socket in `namespace`, for `new net.Socket({ fd, manualStart: true }).connect(…)`.
 * Nothing is left open when it throws. A refused `source` does not throw.
 * @throws {NetnsError} `NETNS_PERMISSION` (CAP_SYS_ADMIN, CAP_NET_ADMIN), `NETNS_INVALID_ARGUMENT`, `NETNS_SYSTEM_CALL`.
 */
export function openTcp(namespace: Namespace, options: OpenTcpOptions): OutgoingSocket {
  if (options.source === undefined) return { fd: makeSocket(namespace, options), sourceKept: false };
  const sourceFits = ipFamily(options.source) === options.family;
  const fd = makeSocket(namespace, options);
  if (sourceFits && bindForeignSource(fd, options.family, options.source)) return { fd, sourceKept: true };
  // Options may be half set by now; a fresh socket is like one that never tried.
  closeDescriptor(fd);
  return { fd: makeSocket(namespace, options), sourceKept: false };
}

function makeSocket(namespace: Namespace, options: OpenTcpOptions): number {
  const namespaceId = namespace.id.inode;
  const family = options.family === 4 ? AF_INET : AF_INET6;
  const fd = namespace.run(() =>
    checked(native().socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), {
      operation: 'socket',
      namespaceId,
    }),
  );
  try {
    const { noDelay = true, keepAlive = DEFAULT_KEEP_ALIVE, userTimeoutMs, mark } = options;
    if (noDelay) setNoDelay(fd);
    if (keepAlive !== false) setKeepAlive(fd, keepAlive);
    if (userTimeoutMs !== undefined) setUserTimeout(fd, userTimeoutMs);
    if (mark !== undefined) setOption(fd, MARK, mark, namespaceId);
    return fd;
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
}

function bindForeignSource(fd: number, family: 4 | 6, ip: string): boolean {
  const needed = family === 4 ? FOREIGN_SOURCE_V4 : FOREIGN_SOURCE_V6;
  if (!needed.every((option) => trySetOption(fd, option, 1))) return false;
  const address = encodeSocketAddress({ ip, port: 0 });
  return native().bind(fd, address, address.length) === 0;
}
