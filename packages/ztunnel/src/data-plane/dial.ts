import { isIPv6 } from 'node:net';
import type { Cancellable, ConnectHandler, ConnectionFailure, SocketAddress } from '@ambientmesh/hbone';
import { NetnsError } from '@ambientmesh/netns';
import type { Pod, WantedSocket } from './pod.ts';

/** Limit for a TCP connection of ours to come about. */
export const CONNECT_TIMEOUT_MS = 10_000;

/** Where to, and whose address the other end shall see instead of the pod's. */
export interface DialOptions {
  readonly to: SocketAddress;
  readonly source?: SocketAddress;
}

/** Opens a TCP connection from inside the pod. A source of another family, or the target itself, is not spoofed. */
export function dial(pod: Pod, { to, source }: DialOptions, handler: ConnectHandler): Cancellable {
  const family = isIPv6(to.ip) ? 6 : 4;
  const connect = (wanted: WantedSocket, told: ConnectHandler): Cancellable =>
    withSocket(pod, wanted, told, (descriptor) =>
      pod.context.engine.connect({ descriptor, to, timeoutMs: CONNECT_TIMEOUT_MS }, told),
    );
  const spoof = source !== undefined && source.ip !== to.ip && isIPv6(source.ip) === isIPv6(to.ip);
  if (!spoof) return connect({ family }, handler);
  const wanted = { family, source: source.ip } as const;
  let dialling = connect(
    { ...wanted, to },
    {
      connected: (plain) => handler.connected(plain),
      failed: (failure) => {
        // The port is taken by another connection to there, or by what is left of one: the kernel finds another.
        if (failure.code === 'EADDRNOTAVAIL') dialling = connect(wanted, handler);
        else handler.failed(failure);
      },
    },
  );
  return { cancel: () => dialling.cancel() };
}

/**
 * Makes a socket in the pod and goes on with it. When it cannot be made (the namespace went away, descriptors ran out)
 * this connection fails and the others go on; the handler hears it later, as it would of a connect.
 */
export function withSocket(
  pod: Pod,
  socket: WantedSocket,
  handler: { failed(failure: ConnectionFailure): void },
  use: (descriptor: number) => Cancellable,
): Cancellable {
  let descriptor: number;
  try {
    descriptor = pod.openSocket(socket);
  } catch (error) {
    if (!(error instanceof NetnsError)) throw error;
    const failure = { code: error.errno ?? error.code, message: error.message };
    return pod.context.engine.after(0, () => handler.failed(failure));
  }
  return use(descriptor);
}
