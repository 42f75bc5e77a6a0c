import { createHash, randomBytes } from 'node:crypto';
import { type Duplex, Readable } from 'node:stream';
import { afterEach, expect, test, vi } from 'vitest';
import { http2Client, http2Server } from '../testing/http2-peer.ts';
import { dialSocket, listenSockets } from '../testing/loopback.ts';
import { forwardTo, type Outcome, serveTo } from '../testing/relayed.ts';
import { createTestEngine } from '../testing/test-engine.ts';

const MEBIBYTE = 1_048_576;
const BODY_BYTES = 50 * MEBIBYTE;
const PIECE_BYTES = 65_536;
const STREAM_WINDOW_BYTES = 4 * MEBIBYTE;
const engine = createTestEngine();
const undos: (() => void)[] = [];
const cleanup = (undo: () => void): void => {
  undos.push(undo);
};

const scope = { engine, cleanup };

afterEach(async () => {
  // Not from inside a handshake's callback: Node frees what OpenSSL is still using when both sockets go there.
  await new Promise(setImmediate);
  for (const undo of undos.splice(0).toReversed()) undo();
});

const CONNECT = { ':method': 'CONNECT', ':authority': '127.0.0.1:80' };

async function digest(stream: Duplex): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of stream) hash.update(chunk);
  return hash.digest('hex');
}

function sha256(body: Buffer): string {
  return createHash('sha256').update(body).digest('hex');
}

function* pieces(body: Buffer): Generator<Buffer> {
  for (let at = 0; at < body.length; at += PIECE_BYTES) yield body.subarray(at, at + PIECE_BYTES);
}

async function echoThroughUs(): Promise<number> {
  const app = await listenSockets((socket) => void socket.pipe(socket), cleanup);
  return serveTo(scope, app);
}

test('node:http2 client, our server: 50 MiB each way, digests equal', async () => {
  const session = await http2Client(await echoThroughUs(), cleanup);
  const stream = session.request(CONNECT);
  const body = randomBytes(BODY_BYTES);
  const answer = digest(stream);
  // In pieces: node:http2 fails by itself when one write is larger than its session's memory limit.
  Readable.from(pieces(body)).pipe(stream);
  expect(await answer).toBe(sha256(body));
}, 60_000);

test('our client, node:http2 server: 50 MiB each way, digests equal', async () => {
  const { port } = await http2Server((stream) => {
    stream.respond({ ':status': 200 });
    stream.pipe(stream);
  }, cleanup);
  const socket = await dialSocket(await forwardTo(scope, port), cleanup);
  const body = randomBytes(BODY_BYTES);
  const answer = digest(socket);
  socket.end(body);
  expect(await answer).toBe(sha256(body));
}, 60_000);

test('both ends ours: 10 streams at once, random sizes', async () => {
  const port = await forwardTo(scope, await echoThroughUs());
  await Promise.all(
    Array.from({ length: 10 }, async (_, index) => {
      const socket = await dialSocket(port, cleanup);
      const body = randomBytes(1 + Math.floor(Math.random() * 3 * MEBIBYTE) * (index % 3));
      const answer = digest(socket);
      socket.end(body);
      expect(await answer).toBe(sha256(body));
    }),
  );
}, 60_000);

test('half-close: node:http2 ends first, and answers after our end', async () => {
  const { port } = await http2Server((stream) => {
    stream.respond({ ':status': 200 });
    let bytes = 0;
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    stream.on('end', () => stream.end(`got ${bytes}`));
  }, cleanup);
  const socket = await dialSocket(await forwardTo(scope, port), cleanup);
  socket.end('hello');
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  expect(Buffer.concat(chunks).toString()).toBe('got 5');
});

test('a reset by the node:http2 server is the end for the application', async () => {
  const { port } = await http2Server((stream) => {
    stream.respond({ ':status': 200 });
    stream.write('x');
    stream.once('data', () => stream.close(8));
  }, cleanup);
  const socket = await dialSocket(await forwardTo(scope, port), cleanup);
  socket.write('hello');
  expect(await digest(socket)).toBe(sha256(Buffer.from('x')));
});

test('a reader that does not read holds one window, and its siblings go on', async () => {
  // Our server's application pours into a client application that never reads.
  const app = await listenSockets((socket) => {
    socket.once('data', (first: Buffer) => {
      if (first[0] === 0x70) {
        const pour = (): void => {
          while (socket.write(Buffer.alloc(65_536)));
        };
        socket.on('drain', pour);
        pour();
      } else socket.end(first);
    });
    socket.resume();
  }, cleanup);
  const inbound: Outcome[] = [];
  const tunnel = await serveTo(scope, app, { outcomes: inbound });
  const port = await forwardTo(scope, tunnel);
  const slow = await dialSocket(port, cleanup);
  slow.write('pour');
  // What the server read for it: the stream's window, and what fits into kernel buffers on the client's side.
  let before = -1;
  await vi.waitUntil(
    () => {
      const now = inbound[0]?.received ?? 0;
      const still = now > 0 && now === before;
      before = now;
      return still;
    },
    { timeout: 5000, interval: 200 },
  );
  expect(before).toBeGreaterThanOrEqual(STREAM_WINDOW_BYTES);
  expect(before).toBeLessThan(4 * STREAM_WINDOW_BYTES);
  const sibling = await dialSocket(port, cleanup);
  sibling.end('echo');
  expect(await digest(sibling)).toBe(sha256(Buffer.from('echo')));
  slow.resume();
  await vi.waitUntil(() => (inbound[0]?.received ?? 0) > before + STREAM_WINDOW_BYTES, { timeout: 20_000 });
}, 60_000);

test('bytes sent before the answer are held for the application', async () => {
  const app = await listenSockets((socket) => void socket.pipe(socket), cleanup);
  const session = await http2Client(await serveTo(scope, app), cleanup);
  const stream = session.request(CONNECT);
  stream.end('early');
  expect(await digest(stream)).toBe(sha256(Buffer.from('early')));
});
