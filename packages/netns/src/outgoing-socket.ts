import { constants } from 'node:os';
import { closeDescriptor } from './descriptors.ts';
import { NetnsError } from './errors.ts';
import { SOCK_STREAM } from './kernel-constants.ts';
import { SOCKADDR_IN } from './kernel-structs.ts';
import type { Namespace } from './namespace.ts';
import { checked, native } from './native.ts';
import { encodeSocketAddress, ipFamily, renderAddress } from './socket-address.ts';
import { makeSocket } from './socket-descriptor.ts';
import {
  bindToDevice,
  FREE_BIND,
  FREE_BIND_V6,
  type KeepAlive,
  MARK,
  REUSE_ADDRESS,
  type SocketOption,
  setKeepAlive,
  setNoDelay,
  setOption,
  setUserTimeout,
  TRANSPARENT,
  TRANSPARENT_V6,
  trySetOption,
} from './socket-options.ts';

/** The reference proxy's keep-alive: 180 s, 180 s, 9 probes. */
const DEFAULT_KEEP_ALIVE: KeepAlive = { idleSeconds: 180, intervalSeconds: 180, count: 9 };

const { EADDRNOTAVAIL } = constants.errno;

const FOREIGN_SOURCE_V4: readonly SocketOption[] = [TRANSPARENT, FREE_BIND];
const FOREIGN_SOURCE_V6: readonly SocketOption[] = [TRANSPARENT_V6, FREE_BIND_V6];

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
  /** Port to connect from, with `source`; the kernel chooses by default. */
  readonly sourcePort?: number;
  /**
   * Whether a `source` that cannot be had is an error, or given up (false, the default). An address that the namespace has
   * is then bound like any other, without privilege.
   */
  readonly requireSource?: boolean;
  /** Name of the interface to leave by; the routes choose by default. */
  readonly device?: string;
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
 * Nothing is left open when it throws. A refused `source` does not throw unless `requireSource` is set.
 * @throws {NetnsError} `NETNS_PERMISSION` (CAP_SYS_ADMIN, CAP_NET_ADMIN), `NETNS_ADDRESS_IN_USE` (`sourcePort`), `NETNS_INVALID_ARGUMENT`,
 * `NETNS_CLOSED` (the namespace), `NETNS_SYSTEM_CALL`.
 */
export function openTcp(namespace: Namespace, options: OpenTcpOptions): OutgoingSocket {
  return openWith(namespace, options, () => openSocket(namespace, options));
}

/** `openTcp` with a port that is tried first (0: none), of a `source` that is not required. */
export interface OpenWithOptions extends OpenTcpOptions {
  readonly preferredPort?: number;
}

/** `openTcp` with `open` in place of making a socket. */
export function openWith(namespace: Namespace, options: OpenWithOptions, open: () => number): OutgoingSocket {
  const { family, source, sourcePort = 0, preferredPort = 0, requireSource = false } = options;
  if (source === undefined) {
    if (sourcePort !== 0) throw new NetnsError('NETNS_INVALID_ARGUMENT', `sourcePort ${sourcePort} without source`);
    return { fd: open(), sourceKept: false };
  }
  const address = encodeSocketAddress({ ip: source, port: sourcePort });
  const sourceFits = ipFamily(source) === family;
  if (requireSource && !sourceFits)
    throw new NetnsError('NETNS_INVALID_ARGUMENT', `source ${source} for a connection of IPv${family}`);
  const fd = open();
  if (requireSource) return { fd: bindSource(fd, options, namespace.id.inode), sourceKept: true };
  if (sourceFits && bindForeignSource(fd, family, { address, preferredPort })) return { fd, sourceKept: true };
  // Options may be half set by now; a fresh socket is like one that never tried.
  closeDescriptor(fd);
  return { fd: open(), sourceKept: false };
}

function openSocket(namespace: Namespace, options: OpenTcpOptions): number {
  return prepare(makeSocket(namespace, options.family, SOCK_STREAM), namespace, options);
}

/** Passes `fd` through with the options of a connection that is to be made; closes it otherwise. */
export function prepare(fd: number, namespace: Namespace, options: Omit<OpenTcpOptions, 'family'>): number {
  const namespaceId = namespace.id.inode;
  try {
    const { noDelay = true, keepAlive = DEFAULT_KEEP_ALIVE, userTimeoutMs, mark, device } = options;
    if (noDelay) setNoDelay(fd);
    if (keepAlive !== false) setKeepAlive(fd, keepAlive);
    if (userTimeoutMs !== undefined) setUserTimeout(fd, userTimeoutMs);
    if (mark !== undefined) setOption(fd, MARK, mark, namespaceId);
    if (device !== undefined) bindToDevice(fd, device, namespaceId);
    return fd;
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
}

/** `preferredPort`: if another socket has it in earnest, the port of `address` is bound. */
function bindForeignSource(fd: number, family: 4 | 6, wanted: { address: Buffer; preferredPort: number }): boolean {
  const { address, preferredPort } = wanted;
  const needed = family === 4 ? FOREIGN_SOURCE_V4 : FOREIGN_SOURCE_V6;
  if (!needed.every((option) => trySetOption(fd, option, 1))) return false;
  // Not with IP_BIND_ADDRESS_NO_PORT: connect(2) would give it an even port, as to the client itself, and conntrack mixes them up.
  if (preferredPort !== 0 && bindShared(fd, address, preferredPort)) return true;
  return native().bind(fd, address, address.length) === 0;
}

/** Binds to a port that others of this kind, to elsewhere or in TIME_WAIT, may have as well. */
function bindShared(fd: number, address: Buffer, port: number): boolean {
  const shared = Buffer.from(address);
  shared.writeUInt16BE(port, SOCKADDR_IN.port);
  if (trySetOption(fd, REUSE_ADDRESS, 1) && native().bind(fd, shared, shared.length) === 0) return true;
  trySetOption(fd, REUSE_ADDRESS, 0);
  return false;
}

/** Passes `fd` through, bound; closes it otherwise. */
function bindSource(fd: number, { family, source = '', sourcePort = 0 }: OpenTcpOptions, namespaceId: bigint): number {
  const address = encodeSocketAddress({ ip: source, port: sourcePort });
  try {
    if (native().bind(fd, address, address.length) === 0) return fd;
    // Only an address that is not the namespace's own needs more.
    if (native().errno() === EADDRNOTAVAIL)
      for (const option of family === 4 ? FOREIGN_SOURCE_V4 : FOREIGN_SOURCE_V6) setOption(fd, option, 1, namespaceId);
    const about = { address: renderAddress({ ip: source, port: sourcePort }), namespaceId };
    checked(native().bind(fd, address, address.length), { operation: 'bind', ...about });
    return fd;
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
}
