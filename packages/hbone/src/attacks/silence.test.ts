import { type ClientConnection, type NodeEngine } from '@ambientmesh/hbone';
import { afterEach, expect, test, vi } from 'vitest';
import { ErrorCode } from '../core/error-code.ts';
import { createFakeClockEngine } from '../testing/fake-clock.ts';
import { dialHostile, type HostileAccepted, type HostilePeer, listenHostile } from '../testing/hostile-peer.ts';
import { dialTunnelClient, listenTunnelServer } from '../testing/loopback.ts';
import { connectBlock, frame, PREFACE, settings, Type } from '../testing/raw-frames.ts';

const undos: (() => void)[] = [];
const cleanup = (undo: () => void): void => void undos.push(undo);

afterEach(() => {
  for (const undo of undos.splice(0).toReversed()) undo();
});

/** hbone.md §2, and the same for SETTINGS. */
const SETTINGS_MS = 10_000;
const PING_AFTER_MS = 10_000;
const PONG_WITHIN_MS = 20_000;
const DISMISSAL_MS = 2000;
const NOTHING = Buffer.alloc(0);
const GREETING = Buffer.concat([PREFACE, settings()]);

const soon = (condition: () => boolean): Promise<void> =>
  vi.waitUntil(condition, { interval: 2, timeout: 20_000 }).then(() => undefined);

/** A server of ours and a client that says `greeting`, and nothing more unless it is polite. */
async function attackServer(greeting: Uint8Array, polite: boolean) {
  const engine = createFakeClockEngine();
  const ends: string[] = [];
  const port = await listenTunnelServer(
    engine,
    { request: () => undefined, closed: (failure) => void ends.push(failure?.code ?? 'orderly') },
    cleanup,
  );
  const peer = await dialHostile(port, greeting);
  peer.polite = polite;
  cleanup(() => peer.socket.destroy());
  await soon(() => peer.frames.has(Type.SETTINGS));
  return { engine, ends, peer };
}

/** A client of ours to a server that says `greeting`, and nothing more unless it is polite. */
async function attackClient(greeting: Uint8Array, polite: boolean) {
  const engine = createFakeClockEngine();
  const ends: string[] = [];
  const peers: HostilePeer[] = [];
  const hostile = await listenHostile((accepted) => void take(accepted));
  async function take(accepted: HostileAccepted): Promise<void> {
    const peer = await accepted.secure(greeting);
    peer.polite = polite;
    cleanup(() => peer.socket.destroy());
    peers.push(peer);
  }
  cleanup(() => hostile.close());
  const connection = await dialTunnelClient(engine, hostile.port, cleanup, {
    closed: (failure) => void ends.push(failure?.code ?? 'orderly'),
  });
  const failures: string[] = [];
  open(connection, failures);
  await soon(() => peers[0]?.blocks.has(1) === true);
  return { engine, ends, failures, peer: peers[0]! };
}

function open(connection: ClientConnection, failures: string[]): void {
  connection.open(
    [
      [':method', 'CONNECT'],
      [':authority', 'echo:1'],
    ],
    {
      response: () => undefined,
      failed: (failure) => void failures.push(failure.kind),
    },
  );
}

/** Half of the silent ones: polite peers answer PINGs and SETTINGS, but say nothing by themselves. */
test.each([
  { name: 'no preface', greeting: NOTHING },
  { name: 'half a preface', greeting: PREFACE.subarray(0, 10) },
  { name: 'no SETTINGS', greeting: PREFACE },
  { name: 'no acknowledgement of SETTINGS', greeting: GREETING },
])('server: $name in ten seconds is SETTINGS_TIMEOUT', async ({ greeting }) => {
  const { engine, ends, peer } = await attackServer(greeting, false);
  engine.advance(SETTINGS_MS - 1);
  expect(ends).toEqual([]);
  engine.advance(1);
  await soon(() => peer.end !== 'open');
  expect(peer.goaways.at(-1)?.code).toBe(ErrorCode.SETTINGS_TIMEOUT);
  await soon(() => ends.length === 1);
  expect(engine.timerCount).toBe(0);
});

test.each([
  { name: 'no SETTINGS', greeting: NOTHING },
  { name: 'no acknowledgement of SETTINGS', greeting: settings() },
])('client: $name in ten seconds is SETTINGS_TIMEOUT, and its requests fail', async ({ greeting }) => {
  const { engine, ends, failures, peer } = await attackClient(greeting, false);
  engine.advance(SETTINGS_MS);
  expect(failures).toEqual(['connection']);
  await soon(() => peer.end !== 'open');
  expect(peer.goaways.at(-1)?.code).toBe(ErrorCode.SETTINGS_TIMEOUT);
  await soon(() => ends.length === 1);
  expect(engine.timerCount).toBe(0);
});

test('server: a client that acknowledges SETTINGS and answers no PING is gone after half a minute', async () => {
  const { engine, ends, peer } = await attackServer(GREETING, true);
  await settled(peer, engine);
  peer.polite = false;
  engine.advance(PING_AFTER_MS + PONG_WITHIN_MS);
  await soon(() => peer.end !== 'open' && ends.length === 1);
  expect([peer.goaways.at(-1)?.code, ends, engine.timerCount]).toEqual([ErrorCode.NO_ERROR, ['orderly'], 0]);
});

test('client: a server that answers no PING is dropped after half a minute', async () => {
  const { engine, ends, failures, peer } = await attackClient(settings(), true);
  await settled(peer, engine);
  peer.polite = false;
  engine.advance(PING_AFTER_MS + PONG_WITHIN_MS);
  expect([failures, ends, engine.timerCount]).toEqual([['connection'], ['EPIPE'], 0]);
});

test('server: a header block that never ends does not keep a connection', async () => {
  const { engine, ends, peer } = await attackServer(GREETING, true);
  await settled(peer, engine);
  await peer.send(frame(Type.HEADERS, 0, 1, connectBlock('echo:1')));
  // It cannot answer a PING without ending the block.
  peer.polite = false;
  engine.advance(PING_AFTER_MS + PONG_WITHIN_MS);
  await soon(() => peer.end !== 'open' && ends.length === 1);
  expect(engine.timerCount).toBe(0);
});

test('a peer that does not read its GOAWAY is cut two seconds later', async () => {
  const { engine, ends, peer } = await attackServer(PREFACE, false);
  peer.stopReading();
  engine.advance(SETTINGS_MS);
  expect(ends).toEqual([]);
  await peer.send(settings());
  engine.advance(DISMISSAL_MS);
  expect(ends).toEqual(['HTTP2']);
  await soon(() => peer.socket.destroyed || !peer.socket.writable || peer.end !== 'open').catch(() => undefined);
  expect(engine.timerCount).toBe(0);
});

/** Waits until SETTINGS went both ways: then only PINGs count. */
async function settled(peer: HostilePeer, engine: NodeEngine & { advance(ms: number): void }): Promise<void> {
  // Answered in order: behind the PING's answer the acknowledgement was read.
  await peer.send(frame(Type.PING, 0, 0, Buffer.alloc(8)));
  await peer.until(() => peer.pongs > 0, 'answer to a PING');
  engine.advance(0);
}
