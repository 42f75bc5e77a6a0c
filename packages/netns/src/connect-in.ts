import { Socket, type SocketConstructorOpts } from 'node:net';
import { closeDescriptor } from './descriptors.ts';
import { NetnsError } from './errors.ts';
import type { Namespace } from './namespace.ts';
import { nodeError } from './node-error.ts';
import { type OpenTcpOptions, openTcp } from './outgoing-socket.ts';
import { encodeSocketAddress, ipFamily, renderAddress } from './socket-address.ts';

/** Where to connect to and how; `source` must be had, unlike with `openTcp`. */
export interface ConnectInOptions extends Omit<OpenTcpOptions, 'family' | 'requireSource'> {
  /** An IPv4 or IPv6 address. Names are not looked up: the answer would be that of another namespace's resolver. */
  readonly host: string;
  readonly port: number;
  /** Keep the writing side open when the peer ends its own; false by default, as in `node:net`. */
  readonly allowHalfOpen?: boolean;
  /** Ends the attempt (`AbortSignal.timeout` limits it); without effect once connected. */
  readonly signal?: AbortSignal;
}

/**
 * A socket of `node:net`, connected from inside `namespace`; it belongs to the caller.
 * @throws {NetnsError} with the errno of the failed connect (`NETNS_SYSTEM_CALL`: ECONNREFUSED, ETIMEDOUT, ENETUNREACH …),
 * `NETNS_INVALID_ARGUMENT` (a name, a zone, no port), `NETNS_PERMISSION`, `NETNS_ADDRESS_IN_USE` (`sourcePort`), `NETNS_CLOSED` (the namespace); and the signal's
 * reason. Nothing is left open then.
 */
export async function connectIn(namespace: Namespace, options: ConnectInOptions): Promise<Socket> {
  const { host, port, signal, allowHalfOpen = false } = options;
  signal?.throwIfAborted();
  const family = numericFamily(host);
  // Checks the port, and refuses zones, which Node would look up among the interfaces of the wrong namespace.
  encodeSocketAddress({ ip: host, port });
  if (port === 0) throw new NetnsError('NETNS_INVALID_ARGUMENT', 'port 0 cannot be connected to');
  const { fd } = openTcp(namespace, { ...options, family, requireSource: true });
  const socket = adopt(fd, allowHalfOpen);
  try {
    await connected(socket, { host, port, signal });
    return socket;
  } catch (error) {
    socket.destroy();
    signal?.throwIfAborted();
    const address = renderAddress({ ip: host, port });
    throw nodeError(error, { operation: 'connect', address, namespaceId: namespace.id.inode });
  }
}

function numericFamily(host: string): 4 | 6 {
  try {
    return ipFamily(host);
  } catch (cause) {
    const message = `${JSON.stringify(host)} is not an IP address (names are not looked up in other namespaces)`;
    throw new NetnsError('NETNS_INVALID_ARGUMENT', message, { cause });
  }
}

function adopt(fd: number, allowHalfOpen: boolean): Socket {
  // Node takes `manualStart`, which keeps it from reading before there is a connection; its typings do not know it.
  const options: SocketConstructorOpts & { manualStart: boolean } = { fd, allowHalfOpen, manualStart: true };
  try {
    return new Socket(options);
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
}

interface Target {
  readonly host: string;
  readonly port: number;
  readonly signal: AbortSignal | undefined;
}

async function connected(socket: Socket, { host, port, signal }: Target): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = (): void => reject(signal?.reason);
  // Stays until the socket is closed: after an abort, what the destroyed socket reports is nobody's business.
  socket.once('error', reject);
  signal?.addEventListener('abort', onAbort);
  try {
    socket.connect({ host, port }, resolve);
    await promise;
    socket.off('error', reject);
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}
