import { once } from 'node:events';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { dialTunnel, HboneError, type TunnelListener } from '@ambientmesh/hbone';
import { afterEach, expect, test, vi } from 'vitest';
import { type HostileAccepted, listenHostile } from '../testing/hostile-peer.ts';
import { dialSocket, fixtureCredentials, openDescriptors } from '../testing/loopback.ts';
import { listenOnLoopback, serveTcp } from '../testing/tunnel-pair.ts';

const undos: (() => void)[] = [];
const cleanup = (undo: () => void): void => void undos.push(undo);

afterEach(() => {
  for (const undo of undos.splice(0).toReversed()) undo();
});

/** The word: by the thousand. */
const UNFINISHED = 1000;
/** Stands for the ten seconds of the default. */
const HANDSHAKE_TIMEOUT_MS = 300;
/** A handshake record that says it is 16 KiB long, and the first octets of it. RFC 8446 5.1 */
const PARTIAL_HELLO = Buffer.concat([Buffer.of(0x16, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc, 3, 3), Buffer.alloc(40)]);
const GARBAGE = Buffer.alloc(4096, 'garbage ');

const soon = (condition: () => boolean): Promise<void> =>
  vi.waitUntil(condition, { interval: 2, timeout: 10_000 }).then(() => undefined);

async function listen(options: { readonly maxHandshakes?: number; readonly handshakeTimeoutMs?: number } = {}) {
  const errors: string[] = [];
  const port = await serveTcp(cleanup, (socket) => socket.pipe(socket));
  const listener = await listenOnLoopback(cleanup, {
    route: () => ({ host: '127.0.0.1', port }),
    onError: (error: HboneError) => void errors.push(error.code),
    ...options,
  });
  return { listener, errors };
}

/** A client that behaves: one tunnel, one echo. */
async function behave({ port }: TunnelListener): Promise<string> {
  const stream = await dial(port);
  const answer = text(stream);
  stream.end('hello');
  return answer;
}

function dial(port: number, handshakeTimeoutMs = 10_000) {
  return dialTunnel({
    host: '127.0.0.1',
    port,
    authority: 'echo:80',
    credentials: fixtureCredentials('client'),
    handshakeTimeoutMs,
  });
}

async function startUnfinished(port: number, count: number): Promise<Socket[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const socket = await dialSocket(port, cleanup);
      if (index % 2 === 1) socket.write(PARTIAL_HELLO);
      return socket;
    }),
  );
}

test('a thousand handshakes that are never finished are dropped in time, and others get in meanwhile', async () => {
  const { listener, errors } = await listen({ handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS });
  const before = openDescriptors();
  const sockets = await startUnfinished(listener.port, UNFINISHED);
  await soon(() => listener.handshakeCount + errors.length >= UNFINISHED);
  expect(await behave(listener)).toBe('hello');
  await soon(() => listener.handshakeCount === 0);
  expect(errors).toEqual(Array.from({ length: UNFINISHED }, () => 'HBONE_HANDSHAKE_FAILED'));
  for (const socket of sockets) socket.destroy();
  await soon(() => openDescriptors() <= before);
  expect(await behave(listener)).toBe('hello');
}, 20_000);

test('unfinished handshakes are bounded in number: the oldest gives way', async () => {
  const maxHandshakes = 100;
  const { listener, errors } = await listen({ maxHandshakes });
  await startUnfinished(listener.port, 3 * maxHandshakes);
  await soon(() => listener.handshakeCount + errors.length >= 3 * maxHandshakes);
  expect(listener.handshakeCount).toBe(maxHandshakes);
  expect(await behave(listener)).toBe('hello');
  expect(new Set(errors)).toEqual(new Set(['HBONE_OVERLOADED']));
}, 20_000);

test.each([
  { name: 'garbage', bytes: GARBAGE },
  { name: 'HTTP/1.1', bytes: Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n') },
  { name: 'HTTP/2 without TLS', bytes: Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n') },
  { name: 'a record larger than TLS allows', bytes: Buffer.concat([Buffer.of(0x16, 3, 1, 0xff, 0xff), GARBAGE]) },
  { name: 'a ClientHello of garbage', bytes: Buffer.concat([Buffer.of(0x16, 3, 1, 0x10, 0), GARBAGE]) },
  { name: 'application data', bytes: Buffer.concat([Buffer.of(0x17, 3, 3, 0x10, 0), GARBAGE]) },
  { name: 'an alert', bytes: Buffer.of(0x15, 3, 1, 0, 2, 2, 40) },
])('$name in place of a ClientHello ends that connection and no other', async ({ bytes }) => {
  const { listener, errors } = await listen();
  const neighbour = await dial(listener.port);
  const socket = await dialSocket(listener.port, cleanup);
  const closed = once(socket, 'close');
  socket.on('end', () => socket.end());
  socket.write(bytes);
  socket.resume();
  await closed;
  expect(errors).toEqual(['HBONE_HANDSHAKE_FAILED']);
  const answer = text(neighbour);
  neighbour.end('still here');
  expect(await answer).toBe('still here');
});

test('a connection that ends before it says anything leaves nothing', async () => {
  const { listener, errors } = await listen();
  const before = openDescriptors();
  const socket = await dialSocket(listener.port, cleanup);
  socket.end();
  socket.resume();
  await soon(() => errors.length === 1);
  socket.destroy();
  await soon(() => openDescriptors() <= before);
  expect(listener.handshakeCount).toBe(0);
});

test.each<{ name: string; play: (accepted: HostileAccepted) => void }>([
  { name: 'sends garbage', play: ({ raw }) => void raw.write(GARBAGE) },
  { name: 'speaks HTTP/1.1', play: ({ raw }) => void raw.write('HTTP/1.1 400 Bad Request\r\n\r\n') },
  { name: 'says nothing', play: () => undefined },
  { name: 'closes', play: ({ raw }) => void raw.end() },
  { name: 'cuts', play: ({ raw }) => void raw.resetAndDestroy() },
])('a server that $name in place of a handshake fails the dial, which leaves nothing', async ({ play }) => {
  const before = openDescriptors();
  const raws: Socket[] = [];
  const hostile = await listenHostile((accepted) => {
    raws.push(accepted.raw);
    play(accepted);
  });
  const failed: unknown = await dial(hostile.port, HANDSHAKE_TIMEOUT_MS).catch((error: unknown) => error);
  expect(failed).toMatchObject({ name: 'HboneError' });
  // Cut early enough it never was a connection.
  expect(['HBONE_HANDSHAKE_FAILED', 'HBONE_DIAL_FAILED']).toContain(failed instanceof HboneError && failed.code);
  hostile.close();
  for (const raw of raws) raw.destroy();
  await soon(() => openDescriptors() <= before);
});
