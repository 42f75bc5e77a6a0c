import { closeDescriptor } from './descriptors.ts';
import { NetnsError } from './errors.ts';
import { SOCK_STREAM } from './kernel-constants.ts';
import { INT_BYTES } from './kernel-structs.ts';
import type { Namespace } from './namespace.ts';
import { checked, native } from './native.ts';
import {
  decodeSocketAddress,
  encodeSocketAddress,
  ipFamily,
  renderAddress,
  SOCKET_ADDRESS_BYTES,
} from './socket-address.ts';
import { makeSocket } from './socket-descriptor.ts';
import {
  bindToDevice,
  FREE_BIND,
  type KeepAlive,
  MARK,
  REUSE_ADDRESS,
  REUSE_PORT,
  setKeepAlive,
  setNoDelay,
  setOption,
  setUserTimeout,
  TRANSPARENT,
  trySetOption,
  V6_ONLY,
} from './socket-options.ts';

/** The reference proxy's backlog. */
export const DEFAULT_BACKLOG = 128;
const MAX_BACKLOG = 2 ** 31 - 1;

/** What to listen on and how. */
export interface ListenOptions {
  /** `::` accepts IPv4 as well, whatever `net.ipv6.bindv6only` says, unless `v6Only` is set. */
  readonly ip: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
  /** Connections the kernel holds until they are accepted; 128 by default. */
  readonly backlog?: number;
  /** Firewall mark of the replies; none by default. Needs CAP_NET_ADMIN. */
  readonly mark?: number;
  /** Several listeners may share the port (`SO_REUSEPORT`); true by default. */
  readonly reusePort?: boolean;
  /** `IP_TRANSPARENT`: best effort (`try`, the default), a must (`require`) or never (`off`). Needs CAP_NET_ADMIN. */
  readonly transparent?: 'try' | 'require' | 'off';
  /** Refuse IPv4 on an IPv6 address; false by default. */
  readonly v6Only?: boolean;
  /** Listen on an address that no interface has, or none yet (`IP_FREEBIND`); false by default. */
  readonly freeBind?: boolean;
  /** Name of the interface that connections must come in by; any by default. */
  readonly device?: string;
  /** `TCP_NODELAY`, keep-alive and `TCP_USER_TIMEOUT` (milliseconds) of the accepted connections, which inherit them; the kernel's defaults without. */
  readonly noDelay?: boolean;
  readonly keepAlive?: KeepAlive;
  readonly userTimeoutMs?: number;
}

/** A listener made in a namespace. */
export interface ListeningSocket {
  /** Non-blocking, closed on exec, owned by the caller. */
  readonly fd: number;
  /** Whether `IP_TRANSPARENT` is set. */
  readonly transparent: boolean;
  readonly port: number;
}

/**
 * A TCP listener in `namespace`, for `server.listen({ fd }, backlog)` (Node listens again: without the second argument, the
 * backlog becomes 511, also if the first one has another). `listenIn` does that.
 * Nothing is left open when it throws.
 * @throws {NetnsError} `NETNS_ADDRESS_IN_USE`, `NETNS_PERMISSION`, `NETNS_INVALID_ARGUMENT`, `NETNS_CLOSED` (the namespace),
 * `NETNS_SYSTEM_CALL`.
 */
export function listenTcp(namespace: Namespace, options: ListenOptions): ListeningSocket {
  const { backlog = DEFAULT_BACKLOG } = options;
  if (!Number.isInteger(backlog) || backlog < 0 || backlog > MAX_BACKLOG)
    throw new NetnsError('NETNS_INVALID_ARGUMENT', `backlog ${backlog}: want an integer from 0 to ${MAX_BACKLOG}`);
  const fd = makeSocket(namespace, ipFamily(options.ip), SOCK_STREAM);
  try {
    return configure(fd, options, namespace.id.inode);
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
}

/** The order of the steps is that of the reference proxy (with and without port reuse), all of which works from outside. */
function configure(fd: number, options: ListenOptions, namespaceId: bigint): ListeningSocket {
  const { ip, port, backlog = DEFAULT_BACKLOG, mark, reusePort = true, transparent = 'try' } = options;
  const setMark = (): void => {
    if (mark !== undefined) setOption(fd, MARK, mark, namespaceId);
  };
  setScope(fd, options, namespaceId);
  setInherited(fd, options);
  if (reusePort) {
    setMark();
    // A kernel without port reuse still serves one listener.
    trySetOption(fd, REUSE_PORT, 1);
  } else {
    setOption(fd, REUSE_ADDRESS, 1, namespaceId);
  }
  const address = encodeSocketAddress({ ip, port });
  const about = { address: renderAddress({ ip, port }), namespaceId };
  checked(native().bind(fd, address, address.length), { operation: 'bind', ...about });
  checked(native().listen(fd, backlog), { operation: 'listen', ...about });
  if (!reusePort) setMark();
  if (transparent === 'require') setOption(fd, TRANSPARENT, 1, namespaceId);
  const isTransparent = transparent === 'require' || (transparent === 'try' && trySetOption(fd, TRANSPARENT, 1));
  return { fd, transparent: isTransparent, port: localPort(fd) };
}

/** Which addresses of a socket that will be bound count, and by which interface. */
export interface BindScope {
  readonly ip: string;
  readonly v6Only?: boolean;
  readonly freeBind?: boolean;
  readonly device?: string;
}

/** Sets what must be set before bind(2). @throws {NetnsError} `NETNS_INVALID_ARGUMENT`, `NETNS_SYSTEM_CALL`. */
export function setScope(fd: number, { ip, v6Only = false, freeBind = false, device }: BindScope, id: bigint): void {
  if (ipFamily(ip) === 6) setOption(fd, V6_ONLY, v6Only ? 1 : 0, id);
  else if (v6Only) throw new NetnsError('NETNS_INVALID_ARGUMENT', `v6Only with the IPv4 address ${ip}`);
  // On an IPv6 socket, too: the kernel keeps one flag for both.
  if (freeBind) setOption(fd, FREE_BIND, 1, id);
  if (device !== undefined) bindToDevice(fd, device, id);
}

function setInherited(fd: number, { noDelay, keepAlive, userTimeoutMs }: ListenOptions): void {
  if (noDelay === true) setNoDelay(fd);
  if (keepAlive !== undefined) setKeepAlive(fd, keepAlive);
  if (userTimeoutMs !== undefined) setUserTimeout(fd, userTimeoutMs);
}

/** The port a socket is bound to. */
export function localPort(fd: number): number {
  const bytes = Buffer.alloc(SOCKET_ADDRESS_BYTES);
  const length = Buffer.alloc(INT_BYTES);
  length.writeInt32LE(bytes.length);
  checked(native().getsockname(fd, bytes, length), { operation: 'getsockname', subject: `descriptor ${fd}` });
  return decodeSocketAddress(bytes).port;
}
