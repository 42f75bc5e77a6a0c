import { createSocket, type Socket, type SocketType } from 'node:dgram';
import { closeDescriptor } from './descriptors.ts';
import { NetnsError } from './errors.ts';
import type { Namespace } from './namespace.ts';
import { ipFamily } from './socket-address.ts';
import { startListening } from './start-listening.ts';
import { type ListenUdpOptions, listenUdp, restrictAddressReuse } from './udp.ts';

/** As `ListenUdpOptions`, but the port is this socket's alone (`reusePort` false) unless asked for otherwise. */
export interface BindInOptions extends Omit<ListenUdpOptions, 'ip' | 'port'> {
  /** All addresses by default: `0.0.0.0` or, by type, `::`. */
  readonly ip?: string;
  /** The kernel chooses by default. */
  readonly port?: number;
}

/**
 * Binds a socket of `node:dgram` (a fresh one, or `'udp4'`, `'udp6'` for a new one) in `namespace` and resolves to it, once it
 * receives. It belongs to the caller; so does one that was passed after a failure.
 * @throws {NetnsError} `NETNS_ADDRESS_IN_USE`, `NETNS_PERMISSION`, `NETNS_INVALID_ARGUMENT` (also for an address that does not fit
 * the type, and a socket that is bound already), `NETNS_CLOSED`, `NETNS_SYSTEM_CALL`; and what `socket.bind` throws.
 */
export async function bindIn(
  namespace: Namespace,
  socket: Socket | SocketType,
  options: BindInOptions = {},
): Promise<Socket> {
  if (typeof socket !== 'string') return bind(namespace, socket, options);
  const fresh = createSocket({ type: socket });
  try {
    return await bind(namespace, fresh, options);
  } catch (error) {
    fresh.close();
    throw error;
  }
}

async function bind(namespace: Namespace, socket: Socket, options: BindInOptions): Promise<Socket> {
  // Node has had this property since its beginnings; its typings do not know it.
  const type: unknown = Reflect.get(socket, 'type');
  const family = type === 'udp4' ? 4 : 6;
  const { ip = family === 4 ? '0.0.0.0' : '::', port = 0, reusePort = false } = options;
  if (ipFamily(ip) !== family)
    throw new NetnsError('NETNS_INVALID_ARGUMENT', `address ${ip} for a socket of type ${String(type)}`);
  if (hasDescriptor(socket)) throw new NetnsError('NETNS_INVALID_ARGUMENT', 'the socket is bound already');
  const { fd } = listenUdp(namespace, { ...options, ip, port, reusePort });
  await startListening(socket, () => {
    try {
      // `exclusive`: a worker of node:cluster would ask the primary, where the descriptor means another file.
      socket.bind({ fd, exclusive: true });
      restrictAddressReuse(fd);
    } catch (error) {
      // After a late failure (a buffer size that the kernel refuses) the socket has taken it over.
      if (!hasDescriptor(socket)) closeDescriptor(fd);
      throw error;
    }
  });
  return socket;
}

/** Whether the socket has a descriptor; until it is bound, Node's has none. */
function hasDescriptor(socket: Socket): boolean {
  try {
    socket.address();
    return true;
  } catch {
    return false;
  }
}
