import type { Server } from 'node:net';
import { closeDescriptor } from './descriptors.ts';
import { NetnsError } from './errors.ts';
import { DEFAULT_BACKLOG, type ListenOptions, listenTcp } from './listening-socket.ts';
import type { Namespace } from './namespace.ts';
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
 * `NETNS_SYSTEM_CALL`; and the signal's reason. Nothing is left open then.
 */
export async function listenIn(
  namespace: Namespace,
  server: Server,
  options: ListenInOptions,
): Promise<ListeningServer> {
  const { signal, backlog = DEFAULT_BACKLOG } = options;
  signal?.throwIfAborted();
  if (server.listening) throw new NetnsError('NETNS_INVALID_ARGUMENT', 'the server listens already (close it first)');
  const { fd, port, transparent } = listenTcp(namespace, { reusePort: false, transparent: 'off', ...options });
  const start = (): void => {
    try {
      // `exclusive`: a worker of node:cluster would ask the primary to listen, where the descriptor means another file.
      server.listen({ fd, backlog, exclusive: true, ...(signal === undefined ? {} : { signal }) });
    } catch (error) {
      closeDescriptor(fd);
      throw error;
    }
  };
  try {
    await startListening(server, start);
  } catch (error) {
    signal?.throwIfAborted();
    const address = renderAddress({ ip: options.ip, port });
    throw nodeError(error, { operation: 'listen', address, namespaceId: namespace.id.inode });
  }
  return { port, transparent };
}
