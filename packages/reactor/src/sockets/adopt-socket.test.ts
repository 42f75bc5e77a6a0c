import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { AdoptingEngine } from '../testing/adopting-engine.ts';

const PATIENCE = { timeout: 10_000, interval: 5 };

/** Both ends of a connection of Node's; nothing was read from either. */
async function socketPair(): Promise<readonly [Socket, Socket]> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = new Promise<Socket>((resolve) => {
    server.once('connection', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const dialled = connect({ port: address.port, host: '127.0.0.1', allowHalfOpen: true });
  dialled.pause();
  const socket = await accepted;
  await vi.waitUntil(() => !dialled.connecting, PATIENCE);
  server.close();
  onTestFinished(() => {
    dialled.destroy();
    socket.destroy();
  });
  return [dialled, socket];
}

test('a socket that comes from elsewhere: addresses, bytes both ways, FIN, and nothing is left', async () => {
  const engine = new AdoptingEngine();
  onTestFinished(() => engine.close());
  const [dialled, peer] = await socketPair();
  const { localPort, remotePort } = dialled;
  const plain = engine.adopt(dialled);
  expect([plain.local, plain.remote]).toEqual([
    { ip: '127.0.0.1', port: localPort },
    { ip: '127.0.0.1', port: remotePort },
  ]);
  let received = '';
  const read = (): void => {
    const sink = {
      bytes: (memory: Uint8Array, start: number, end: number): void => {
        received += Buffer.from(memory.subarray(start, end)).toString();
      },
    };
    while (plain.read(1000, sink) > 0);
  };
  plain.handler = { readable: read, written: () => undefined, failed: () => undefined };
  read();
  peer.write('from Node');
  await vi.waitUntil(() => received === 'from Node', PATIENCE);
  plain.write(Buffer.from('to Node'), 0, 7);
  plain.end();
  expect(Buffer.concat(await peer.toArray()).toString()).toBe('to Node');
  plain.close();
  await vi.waitUntil(() => engine.holdings.descriptors === 0, PATIENCE);
});
