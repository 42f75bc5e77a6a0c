/** The pool when connections go, are refused or fail a request. hbone.md §6 */
import { ErrorCode, isRetryable, type TunnelPoolOptions } from '@ambientmesh/hbone';
import { afterEach, expect, test, vi } from 'vitest';
import type { CodecOptions } from '../core/limits.ts';
import { http2Server } from '../testing/http2-peer.ts';
import { openDescriptors } from '../testing/loopback.ts';
import { finish, type PoolRig, poolRig } from '../testing/pool-rig.ts';

const undos: (() => void)[] = [];
const cleanup = (undo: () => void): void => {
  undos.push(undo);
};

afterEach(async () => {
  // Not from inside a handshake's callback: Node frees what OpenSSL is still using when both sockets go there.
  await new Promise(setImmediate);
  for (const undo of undos.splice(0).toReversed()) undo();
});

async function until(condition: () => boolean): Promise<void> {
  await vi.waitUntil(condition, { interval: 2, timeout: 20_000 });
}

async function rig(options?: TunnelPoolOptions, codec?: Partial<CodecOptions>): Promise<PoolRig> {
  return poolRig({ cleanup, until }, options, codec);
}

test('a failed request does not remove its connection: neither an error answer nor a time-out', async () => {
  const pool = await rig();
  await pool.warm();
  pool.status = 503;
  const refused = pool.open();
  await until(() => refused.status === 503);
  pool.status = 0;
  const silent = pool.open('k', { timeoutMs: 100 });
  await until(() => pool.asked.length === 3);
  pool.engine.advance(100);
  expect(silent.failed).toMatchObject({ kind: 'timeout', failure: { code: 'ETIMEDOUT' } });
  pool.status = 200;
  const next = pool.open();
  await until(() => next.status === 200);
  expect([pool.dials.length, pool.pool.pooledCount]).toEqual([1, 1]);
});

test('GOAWAY while requests wait: they dial once, the running stream goes on', async () => {
  const pool = await rig();
  await pool.warm();
  const running = pool.open();
  await until(() => running.status === 200);
  pool.accepted[0]!.drain();
  await until(() => !running.connection!.usable);
  const told = [pool.open(), pool.open(), pool.open()];
  await pool.turn();
  expect([pool.dials.length, told[0]!.stream]).toEqual([2, undefined]);
  await pool.connect();
  await until(() => told.every((one) => one.status === 200));
  await finish(running);
  await until(() => pool.pool.connectionCount === 1);
});

test('GOAWAY between check-out and response: a retryable failure, and no other dial', async () => {
  const pool = await rig();
  const { port } = await http2Server((stream) => {
    if (stream.id === 1) stream.respond({ ':status': 200 });
    else stream.session?.goaway(ErrorCode.NO_ERROR, 1);
  }, cleanup);
  const first = pool.open();
  await pool.turn();
  await pool.connect(0, port);
  await until(() => first.status === 200);
  const told = pool.open();
  await until(() => told.failed !== undefined);
  expect(told.failed).toEqual({ kind: 'reset', code: ErrorCode.REFUSED_STREAM, local: false });
  expect([isRetryable(told.failed!), first.failed, pool.dials.length]).toEqual([true, undefined, 1]);
});

test('a request that leaves between the two GOAWAYs of a graceful drain is served', async () => {
  const pool = await rig();
  await pool.warm();
  pool.accepted[0]!.drain();
  const between = pool.open();
  await until(() => between.status === 200);
  await until(() => !between.connection!.usable);
  await finish(between);
  await until(() => pool.pool.connectionCount === 0);
  expect(pool.dials.length).toBe(1);
});

test('a connection killed while pooled is forgotten: the next request dials, no timer stays', async () => {
  const pool = await rig();
  await pool.warm();
  pool.accepted[0]!.abort();
  await until(() => pool.pool.connectionCount === 0);
  expect([pool.pool.pooledCount, pool.engine.timerCount]).toEqual([0, 0]);
  const told = pool.open();
  await pool.turn();
  await pool.connect();
  await until(() => told.status === 200);
});

test('unused for 100 ms: GOAWAY and close; descriptors and timers are as before', async () => {
  const pool = await rig({ unusedReleaseMs: 100 });
  await pool.warm('x');
  pool.engine.advance(100);
  await until(() => pool.pool.connectionCount === 0 && pool.accepted[0]!.streamCount === 0);
  await until(() => pool.engine.timerCount === 0);
  const before = openDescriptors();
  for (let index = 0; index < 10; index++) await pool.warm(`key ${index}`);
  expect([pool.pool.pooledCount, openDescriptors() - before]).toEqual([10, 20]);
  pool.engine.advance(99);
  // Its last use counts.
  const used = pool.open('key 3');
  await until(() => used.status === 200);
  await finish(used);
  pool.engine.advance(1);
  await until(() => pool.pool.connectionCount === 1);
  expect(pool.pool.pooledCount).toBe(1);
  pool.engine.advance(99);
  await until(() => pool.pool.connectionCount === 0 && openDescriptors() === before);
  expect(pool.engine.timerCount).toBe(0);
});

test('a persistent stream keeps its connection when the pool has forgotten it', async () => {
  const pool = await rig({ unusedReleaseMs: 100 });
  await pool.warm();
  const persistent = pool.open();
  await until(() => persistent.status === 200);
  pool.engine.advance(1000);
  expect([pool.pool.pooledCount, pool.pool.connectionCount]).toEqual([0, 1]);
  const next = pool.open();
  await pool.turn();
  expect(next.stream).toBeUndefined();
  await pool.connect();
  await until(() => next.status === 200);
  expect(next.connection).not.toBe(persistent.connection);
  await finish(persistent);
  await until(() => pool.pool.connectionCount === 1);
});

test.each([
  { how: 'reset', code: 'ECONNRESET' },
  { how: 'a FIN without close_notify', code: 'EOF' },
  { how: 'close_notify', code: undefined },
  { how: 'a FIN behind GOAWAY', code: undefined },
])('$how: the request that had it dialled hears of a lost connection, before its streams', async ({ how, code }) => {
  const pool = await rig();
  const events: string[] = [];
  const connectionLost = (failure: { readonly code: string }): void => void events.push(`lost ${failure.code}`);
  const first = pool.open('k', { connectionLost, onFailed: () => void events.push('stream') });
  await pool.turn();
  pool.status = 0;
  await pool.connect();
  const second = pool.open('k', { connectionLost: () => void events.push('not this one') });
  await until(() => second.stream !== undefined);
  if (how.endsWith('GOAWAY')) {
    pool.accepted[0]!.drain();
    await until(() => !first.connection!.usable);
  }
  const { secure } = first.connection!;
  const { handler } = secure;
  if (how === 'reset') {
    secure.abort();
    handler.failed({ code: 'ECONNRESET', message: 'reset' });
  } else handler.ended(how !== 'close_notify');
  expect(events).toEqual(code === undefined ? ['stream'] : [`lost ${code}`, 'stream']);
  expect(second.failed).toMatchObject({ kind: 'connection', failure: { code: code ?? 'EOF' } });
});
