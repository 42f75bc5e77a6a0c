import cluster from 'node:cluster';
import type { Server } from 'node:net';
import { closeDescriptor } from './descriptors.ts';
import { NetnsError } from './errors.ts';
import { DEFAULT_BACKLOG, type ListenOptions, listenTcp } from './listening-socket.ts';
import type { Namespace } from './namespace.ts';
import { checked, native } from './native.ts';
import { nodeError } from './node-error.ts';
import { renderAddress } from './socket-address.ts';
import { startListening } from './start-listening.ts';

/** As `ListenOptions`, but a port is one listener's (`reusePort` false) and nothing is transparent unless asked for. */
export interface ListenInOptions extends ListenOptions {
  /** Stops the listening: the server is closed. Nothing is done if it has aborted already. */
  readonly signal?: AbortSignal;
}

/** What the kernel made of the options. */
export interface ListeningServer {
  readonly port: number;
  /** Whether `IP_TRANSPARENT` is set. */
  readonly transparent: boolean;
}

/**
 * Lets `server` (of `node:net`, `http`, `https`, `tls` or `http2`) listen in `namespace` instead of where the process is.
 * Resolves once it does; from then on it is like any other, and `server.close()` ends it.
 * @throws {NetnsError} `NETNS_ADDRESS_IN_USE`, `NETNS_PERMISSION`, `NETNS_INVALID_ARGUMENT` (also for a server that listens already),
 * `NETNS_CLOSED` (the namespace, or the server before it listened),
 * `NETNS_UNSUPPORTED` (in a worker of `node:cluster`, whose primary listens), `NETNS_SYSTEM_CALL`; and the signal's reason. Nothing is left open then.
 */
export async function listenIn(
  namespace: Namespace,
  server: Server,
  options: ListenInOptions,
): Promise<ListeningServer> {
  const { signal, backlog = DEFAULT_BACKLOG, reusePort = false, transparent: wanted = 'off' } = options;
  signal?.throwIfAborted();
  if (cluster.isWorker) throw new NetnsError('NETNS_UNSUPPORTED', 'a worker of node:cluster cannot listen by itself');
  if (server.listening) throw new NetnsError('NETNS_INVALID_ARGUMENT', 'the server listens already (close it first)');
  const { fd, port, transparent } = listenTcp(namespace, { ...options, reusePort, transparent: wanted });
  const address = renderAddress({ ip: options.ip, port });
  const about = { operation: 'listen', address, namespaceId: namespace.id.inode };
  const start = (): void => {
    try {
      server.listen({ fd, ...(signal === undefined ? {} : { signal }) });
    } catch (error) {
      closeDescriptor(fd);
      throw error;
    }
    // Node listens again, with a backlog of 511 whatever its options say.
    checked(native().listen(fd, backlog), about);
  };
  try {
    await startListening(server, start);
  } catch (error) {
    if (server.listening) server.close();
    signal?.throwIfAborted();
    throw nodeError(error, about);
  }
  return { port, transparent };
}
