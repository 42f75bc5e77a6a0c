import { once } from 'node:events';
import { connect } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { type Cleanup, dialSocket, fixture, fixtureTls, listenPlain } from '../testing/loopback.ts';
import { acceptTunnel } from '../tunnel/accept-tunnel.ts';
import { createNodeEngine } from './engine.ts';

const cleanup: Cleanup = (undo) => onTestFinished(undo);

/** A server that answers the handshake and hears how it went. */
async function listen(leaf: string): Promise<{ port: number; outcome: Promise<string> }> {
  const engine = createNodeEngine();
  let told: (text: string) => void;
  const outcome = new Promise<string>((resolve) => (told = resolve));
  const port = await listenPlain(
    engine,
    (plain) => {
      acceptTunnel(engine, plain, fixtureTls(engine, leaf), {
        established: (secure) => {
          told('established');
          secure.abort();
        },
        failed: (failure) => told(failure.message),
      });
    },
    cleanup,
  );
  return { port, outcome };
}

test.each([
  { leaf: 'server', sent: 1 },
  { leaf: 'chained', sent: 2 },
])('hbone.md §1.1: $leaf sends leaf and intermediates, without the root', async ({ leaf, sent }) => {
  const { port, outcome } = await listen(leaf);
  const socket = connect({
    port,
    host: '127.0.0.1',
    cert: fixture('client.pem'),
    key: fixture('client.key.pem'),
    rejectUnauthorized: false,
    ca: [],
  });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  let count = 0;
  for (let next = socket.getPeerX509Certificate(); next !== undefined; next = next.issuerCertificate) count++;
  expect(count).toBe(sent);
  expect(await outcome).toBe('established');
  socket.destroy();
});

test('a client that speaks HTTP is told by an alert and a FIN, as the reference tells it', async () => {
  const { port, outcome } = await listen('server');
  const socket = await dialSocket(port, cleanup);
  socket.write('GET / HTTP/1.1\r\n\r\n');
  const received: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => received.push(chunk));
  socket.resume();
  await once(socket, 'end');
  expect(Buffer.concat(received).toString('hex')).toBe('15030300020232');
  expect(await outcome).toContain('InvalidMessage(InvalidContentType)');
});
