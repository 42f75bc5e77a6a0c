import { createServer, type Socket } from 'node:net';
import type { Route } from '../node/incoming-tunnel.ts';
import { type ListenTunnelsOptions, listenTunnels, type TunnelListener } from '../node/listen-tunnels.ts';
import { TunnelClient } from '../node/tunnel-client.ts';
import type { TunnelDuplex } from '../node/tunnel-duplex.ts';
import type { TunnelClientOptions } from '../node/tunnel-opener.ts';
import { type Cleanup, fixtureCredentials, portOf } from './loopback.ts';

/** A listener on a free port of 127.0.0.1 that answers 404 unless told otherwise. */
export async function listenOnLoopback(
  cleanup: Cleanup,
  options: Partial<ListenTunnelsOptions> = {},
): Promise<TunnelListener> {
  const listener = await listenTunnels({
    host: '127.0.0.1',
    port: 0,
    credentials: fixtureCredentials('server'),
    route: () => ({ status: 404 }),
    ...options,
  });
  cleanup(() => listener.abort());
  return listener;
}

/** A client whose tunnels all go to a server on `port` of 127.0.0.1. */
export function loopbackClient(
  cleanup: Cleanup,
  port: number,
  options: Partial<TunnelClientOptions> = {},
): TunnelClient {
  const client = new TunnelClient({
    credentials: fixtureCredentials('client'),
    host: '127.0.0.1',
    port,
    ...options,
  });
  cleanup(() => client.abort());
  return client;
}

/** Both ends of one tunnel, each as a `Duplex`. */
export interface TunnelPair {
  readonly near: TunnelDuplex;
  readonly far: TunnelDuplex;
  readonly client: TunnelClient;
  readonly listener: TunnelListener;
}

/** A tunnel and what it is on. */
export async function openPair(
  cleanup: Cleanup,
  server: Partial<ListenTunnelsOptions> = {},
  options: Partial<TunnelClientOptions> = {},
): Promise<TunnelPair> {
  const { promise, resolve } = Promise.withResolvers<TunnelDuplex>();
  const route = (): Route => ({ accept: resolve, headers: { 'x-served-by': 'far' } });
  const listener = await listenOnLoopback(cleanup, { route, ...server });
  const client = loopbackClient(cleanup, listener.port, options);
  const near = await client.open('far:80', { headers: { 'x-asked-by': 'near' } });
  return { near, far: await promise, client, listener };
}

/** A TCP server on a free port of 127.0.0.1 that hands on every connection, half-open allowed. */
export async function serveTcp(cleanup: Cleanup, accepted: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    cleanup(() => socket.destroy());
    accepted(socket);
  });
  cleanup(() => server.close());
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return portOf(server);
}
