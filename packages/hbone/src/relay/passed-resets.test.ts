/** `applicationReset: 'reset'`: resets pass from end to end. RFC 9113 8.5 */
import { type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { ErrorCode } from '@ambientmesh/hbone';
import { afterEach, expect, test, vi } from 'vitest';
import { http2Client } from '../testing/http2-peer.ts';
import { dialSocket, listenSockets } from '../testing/loopback.ts';
import { forwardTo, type Outcome, serveTo } from '../testing/relayed.ts';
import { createTestEngine } from '../testing/test-engine.ts';

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

async function until(condition: () => boolean): Promise<void> {
  await vi.waitUntil(condition, { interval: 2, timeout: 20_000 });
}

/** How the application's end came. */
interface Seen {
  readonly text: string;
  readonly end: 'fin' | 'rst';
}

async function watch(socket: Socket): Promise<Seen> {
  const chunks: Buffer[] = [];
  return new Promise<Seen>((resolve) => {
    const seen = (end: Seen['end']): void => resolve({ text: Buffer.concat(chunks).toString('latin1'), end });
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.once('end', () => seen('fin'));
    socket.once('error', () => seen('rst'));
    socket.resume();
  });
}

async function connectStream(session: ClientHttp2Session): Promise<ClientHttp2Stream> {
  const stream = session.request({ ':method': 'CONNECT', ':authority': '127.0.0.1:80' });
  stream.on('error', () => {});
  await new Promise((resolve) => {
    stream.once('response', resolve);
  });
  return stream;
}

/** A connection that has had an answer. */
async function connected(port: number): Promise<Socket> {
  const socket = await dialSocket(port, cleanup);
  socket.resume();
  socket.write('a');
  await new Promise((resolve) => {
    socket.once('data', resolve);
  });
  return socket;
}

const PASSED_RESETS = { applicationReset: 'reset' } as const;

test('applicationReset reset, both ends: a reset passes from application to application', async () => {
  const inbound: Outcome[] = [];
  const outbound: Outcome[] = [];
  const ends: Promise<Seen>[] = [];
  const app = await listenSockets((socket) => {
    ends.push(watch(socket));
    socket.once('data', () => socket.write('b'));
  }, cleanup);
  const server = await serveTo(scope, app, { ...PASSED_RESETS, outcomes: inbound });
  const socket = await connected(await forwardTo(scope, server, { ...PASSED_RESETS, outcomes: outbound }));
  socket.resetAndDestroy();
  expect(await ends[0]).toEqual({ text: 'a', end: 'rst' });
  expect(outbound[0]?.failure?.text).toBe('send: io error: Connection reset by peer (os error 104)');
  const reason = 'connection established in response to a CONNECT request was reset or abnormally closed';
  expect(inbound[0]?.failure?.text).toBe(`send: io error: stream error received: ${reason}`);
});

test.each([
  { what: 'the application resets', code: ErrorCode.CONNECT_ERROR },
  { what: 'the application ends, then resets', code: ErrorCode.CONNECT_ERROR },
])('applicationReset reset: $what', async ({ what, code }) => {
  const app = await listenSockets((socket) => {
    socket.once('data', () => {
      if (what.includes('ends')) socket.end(() => socket.resetAndDestroy());
      else socket.resetAndDestroy();
    });
    socket.resume();
  }, cleanup);
  const session = await http2Client(await serveTo(scope, app, PASSED_RESETS), cleanup);
  const stream = await connectStream(session);
  stream.resume();
  const closed = new Promise((resolve) => {
    stream.once('close', resolve);
  });
  // The second octet finds the reset, where none came before.
  const timer = setInterval(() => stream.write('x'), 2);
  await closed;
  clearInterval(timer);
  expect(stream.rstCode).toBe(code);
});

test('applicationReset reset: a connection that is cut resets the application', async () => {
  const ends: Promise<Seen>[] = [];
  const app = await listenSockets((socket) => void ends.push(watch(socket)), cleanup);
  const session = await http2Client(await serveTo(scope, app, PASSED_RESETS), cleanup);
  await connectStream(session);
  await until(() => ends.length === 1);
  session.socket.destroy();
  expect((await ends[0]!).end).toBe('rst');
});
