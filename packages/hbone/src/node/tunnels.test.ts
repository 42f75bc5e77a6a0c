import { createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { dialTunnel, type ListenTunnelsOptions, listenTunnels, type TunnelListener } from '@ambientmesh/hbone';
import { afterEach, expect, test, vi } from 'vitest';
import { fixtureCredentials, openDescriptors, portOf } from '../testing/loopback.ts';

const undos: (() => void)[] = [];

afterEach(() => {
  for (const undo of undos.splice(0).toReversed()) undo();
});

async function echoPort(): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  undos.push(() => server.close());
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return portOf(server);
}

async function listener(options: Partial<ListenTunnelsOptions> = {}): Promise<TunnelListener> {
  const port = await echoPort();
  const listening = await listenTunnels({
    host: '127.0.0.1',
    port: 0,
    credentials: fixtureCredentials('server'),
    route: ({ authority }) => (authority === 'echo:80' ? { host: '127.0.0.1', port } : { status: 404 }),
    ...options,
  });
  undos.push(() => listening.abort());
  return listening;
}

const dial = (port: number, authority: string, leaf = 'client') =>
  dialTunnel({ host: '127.0.0.1', port, authority, credentials: fixtureCredentials(leaf) });

test('a tunnel carries a stream both ways; close drains', async () => {
  const before = openDescriptors();
  {
    await using listening = await listener();
    const stream = await dial(listening.port, 'echo:80');
    const body = 'x'.repeat(10_000_000);
    const answer = text(stream);
    stream.end(body);
    expect((await answer) === body).toBe(true);
  }
  await vi.waitUntil(() => openDescriptors() <= before + 1);
});
