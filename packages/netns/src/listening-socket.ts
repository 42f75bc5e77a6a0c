import { closeDescriptor } from './descriptors.ts';
import {
  AF_INET,
  AF_INET6,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
} from './kernel-constants.ts';
import type { Namespace } from './namespace.ts';
import { checked, native } from './native.ts';
import {
  decodeSocketAddress,
  encodeSocketAddress,
  ipFamily,
  renderAddress,
  SOCKET_ADDRESS_BYTES,
} from './socket-address.ts';
import { MARK, REUSE_PORT, type SocketOption, setOption, TRANSPARENT, trySetOption } from './socket-options.ts';

/** The reference proxy's backlog. */
const DEFAULT_BACKLOG = 128;

const V6_ONLY: SocketOption = { level: IPPROTO_IPV6, number: IPV6_V6ONLY, name: 'IPV6_V6ONLY' };
export const REUSE_ADDRESS: SocketOption = { level: SOL_SOCKET, number: SO_REUSEADDR, name: 'SO_REUSEADDR' };

/** What to listen on and how. */
export interface ListenOptions {
  /** `::` accepts IPv4 as well, whatever `net.ipv6.bindv6only` says. */
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
 * A TCP listener in `namespace`, for `server.listen({ fd, backlog })` (Node listens again: without `backlog` it becomes 511).
 * Nothing is left open when it throws.
 * @throws {NetnsError} `NETNS_ADDRESS_IN_USE`, `NETNS_PERMISSION`, `NETNS_INVALID_ARGUMENT`, `NETNS_SYSTEM_CALL`.
 */
export function listenTcp(namespace: Namespace, options: ListenOptions): ListeningSocket {
  const family = ipFamily(options.ip);
  const namespaceId = namespace.id.inode;
  const fd = namespace.run(() =>
    checked(native().socket(family === 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), {
      operation: 'socket',
      namespaceId,
    }),
  );
  try {
    return configure(fd, options, namespaceId);
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
  if (ip === '::') setOption(fd, V6_ONLY, 0, namespaceId);
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

/** The port a socket is bound to. */
export function localPort(fd: number): number {
  const bytes = Buffer.alloc(SOCKET_ADDRESS_BYTES);
  const length = Buffer.alloc(4);
  length.writeInt32LE(bytes.length);
  checked(native().getsockname(fd, bytes, length), { operation: 'getsockname', subject: `descriptor ${fd}` });
  return decodeSocketAddress(bytes).port;
}
