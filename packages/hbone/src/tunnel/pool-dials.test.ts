/** The pool while it dials: dials are made when the test says so, over real TLS. hbone.md §6 */
import type { StreamFailure, TunnelPoolOptions } from '@ambientmesh/hbone';
import { afterEach, expect, test, vi } from 'vitest';
import type { CodecOptions } from '../core/limits.ts';
import { FIELDS, finish, type PoolRig, poolRig, QUIET, REFUSED, type Told } from '../testing/pool-rig.ts';

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

test('a failed dial fails all who wait for it with the same failure, and nobody later', async () => {
  const pool = await rig();
  let later: Told | undefined;
  const onDialFailed = (): void => {
    later ??= pool.open();
  };
  const told = [pool.open('k', { onDialFailed }), pool.open(), pool.open()];
  await pool.turn();
  // Comes in the turn of the failure: it waits for the dial as well.
  told.push(pool.open());
  pool.refuse();
  expect(told.map((one) => one.dialFailed)).toEqual(Array.from(told, () => REFUSED));
  await pool.turn();
  expect([pool.dials.length, later!.dialFailed]).toEqual([2, undefined]);
  await pool.connect();
  await until(() => later!.status === 200);
  expect(pool.pool.waitingCount).toBe(0);
});

test('one dial of a key at a time, each when the one before is full; other keys do not wait', async () => {
  const pool = await rig({ maxStreamsPerConnection: 2 });
  const told = Array.from({ length: 5 }, () => pool.open('a'));
  const other = pool.open('b');
  await pool.turn();
  expect([pool.dials.length, pool.dialsUnderWay]).toEqual([2, 2]);
  const opened = (): number => told.filter((one) => one.stream !== undefined).length;
  await pool.connect(0);
  // The second waits for the SETTINGS.
  expect([opened(), pool.dials.length]).toEqual([1, 2]);
  await until(() => pool.dials.length === 3);
  expect([opened(), other.stream]).toEqual([2, undefined]);
  await pool.connect(2);
  await until(() => pool.dials.length === 4);
  expect(opened()).toBe(4);
  await pool.connect(3);
  expect(new Set(told.map((one) => one.connection)).size).toBe(3);
  expect([pool.dials.length, pool.pool.connectionCount, pool.pool.pooledCount]).toEqual([4, 3, 1]);
});

test('the limit of the peer caps ours: 3 streams a connection', async () => {
  const pool = await rig({}, { maxConcurrentStreams: 3 });
  await pool.warm();
  const told = Array.from({ length: 7 }, () => pool.open());
  await pool.turn();
  expect(told.filter((one) => one.stream !== undefined).length).toBe(3);
  await pool.connect();
  await until(() => pool.dials.length === 3);
  expect(told.filter((one) => one.stream !== undefined).length).toBe(6);
  await pool.connect();
  await until(() => told.every((one) => one.status === 200));
});

test('beyond the limit of waiting requests one fails at once; a place that is given up is free', async () => {
  const pool = await rig({ maxWaiting: 3 });
  const dialling = pool.open();
  await pool.turn();
  const waiting = [pool.open(), pool.open(), pool.open()];
  const excess = pool.open();
  const given = pool.open();
  given.cancel();
  expect(excess.dialFailed).toBeUndefined();
  await pool.turn();
  expect([excess.dialFailed?.code, given.dialFailed]).toEqual(['EAGAIN', undefined]);
  waiting[1]!.cancel();
  const next = pool.open();
  // Another key has its own queue.
  const other = pool.open('other');
  await pool.turn();
  expect([next.dialFailed, other.dialFailed, pool.dials.length]).toEqual([undefined, undefined, 2]);
  await pool.connect(0);
  await until(() => [dialling, waiting[0]!, waiting[2]!, next].every((one) => one.status === 200));
  expect(waiting[1]).not.toHaveProperty('stream');
});

test('cancel before the end of the turn, and the same key again: one dial', async () => {
  const pool = await rig();
  const first = pool.open();
  first.cancel();
  const second = pool.open();
  await pool.turn();
  const third = pool.open();
  first.cancel();
  await pool.turn();
  expect(pool.dials.length).toBe(1);
  await pool.connect();
  await until(() => second.status === 200 && third.status === 200);
  expect(first).not.toHaveProperty('stream');
  expect(pool.pool.connectionCount).toBe(1);
});

test('cancel of the one request calls the dial off', async () => {
  const pool = await rig();
  const told = pool.open();
  await pool.turn();
  told.cancel();
  expect([pool.dials[0]!.cancelled, pool.pool.waitingCount, pool.engine.timerCount]).toEqual([true, 0, 0]);
});

test('cancel of who dials: the dial serves those behind it, and is called off with the last of them', async () => {
  const pool = await rig();
  const first = pool.open();
  const second = pool.open();
  const third = pool.open();
  await pool.turn();
  first.cancel();
  second.cancel();
  expect(pool.dials[0]!.cancelled).toBe(false);
  third.cancel();
  expect(pool.dials[0]!.cancelled).toBe(true);
  const fourth = pool.open();
  const fifth = pool.open();
  await pool.turn();
  fourth.cancel();
  await pool.connect();
  await until(() => fifth.status === 200);
  expect([first, second, third, fourth].every((one) => one.stream === undefined && one.dialFailed === undefined)).toBe(
    true,
  );
  expect([pool.dials.length, pool.pool.connectionCount]).toEqual([2, 1]);
});

test('cancel after the request left does nothing: the stream is the caller’s', async () => {
  const pool = await rig();
  const told = pool.open();
  await pool.turn();
  await pool.connect();
  told.cancel();
  await until(() => told.status === 200);
  expect(told.connection!.streamCount).toBe(1);
});

test.each(['close', 'drain'] as const)('%s with dials under way: called off, everybody told once', async (method) => {
  const pool = await rig();
  const told = [pool.open('a'), pool.open('a'), pool.open('b')];
  await pool.turn();
  told.push(pool.open('c'));
  let drained = 0;
  if (method === 'close') pool.pool.close();
  else {
    pool.pool.drain(() => (drained += 1));
    pool.pool.drain(() => (drained += 1));
  }
  expect(told.map((one) => one.dialFailed?.code)).toEqual(['ABORTED', 'ABORTED', 'ABORTED', 'ABORTED']);
  expect(pool.dials.map((dial) => dial.cancelled)).toEqual([true, true]);
  // A dial that comes up nevertheless is dropped.
  await pool.connect(0);
  pool.refuse(1);
  const late = pool.open();
  await pool.turn();
  expect([late.dialFailed?.code, drained]).toEqual(['ABORTED', method === 'drain' ? 2 : 0]);
  expect([pool.pool.connectionCount, pool.pool.waitingCount]).toEqual([0, 0]);
});

test('drain lets streams end, close after it does not', async () => {
  const pool = await rig();
  await pool.warm();
  const [first, second] = [pool.open(), pool.open()];
  await until(() => first.status === 200 && second.status === 200);
  let drained = false;
  pool.pool.drain(() => {
    drained = true;
  });
  await finish(first);
  expect([drained, pool.pool.connectionCount]).toEqual([false, 1]);
  let failure: StreamFailure | undefined;
  second.stream!.handler = { ...QUIET, failed: (one) => void (failure = one) };
  pool.pool.close();
  expect([drained, failure]).toMatchObject([true, { kind: 'connection', failure: { code: 'ABORTED' } }]);
});

test('malformed fields throw where they were given, and nothing waits', async () => {
  const pool = await rig();
  const ignored = { response: () => {}, failed: () => {}, dialFailed: () => {} };
  const open = (fields: readonly (readonly [string, string])[]): unknown =>
    pool.pool.open({ key: 'k', dial: pool.dial, fields }, ignored);
  expect(() => open([])).toThrow(RangeError);
  expect(() => open([...FIELDS, ['x', 'y'.repeat(20_000)]])).toThrow(RangeError);
  await pool.turn();
  expect([pool.dials.length, pool.pool.waitingCount]).toEqual([0, 0]);
});

test.each([
  { thrown: new Error('no such namespace'), code: 'DIAL' },
  { thrown: Object.assign(new Error('out of descriptors'), { code: 'EMFILE' }), code: 'EMFILE' },
])('a dial that throws ($code) fails who waits for it, and nobody later', async ({ thrown, code }) => {
  const pool = await rig();
  const outcomes: unknown[] = [];
  const handler = {
    response: () => {},
    failed: () => {},
    dialFailed: (failure: unknown) => void outcomes.push(failure),
  };
  const dial = (): never => {
    throw thrown;
  };
  pool.pool.open({ key: 'k', dial, fields: FIELDS }, handler);
  const second = pool.open();
  await pool.turn();
  const failure = { code, message: thrown.message };
  expect([outcomes, second.dialFailed, pool.pool.waitingCount]).toEqual([[failure], failure, 0]);
  const later = pool.open();
  await pool.turn();
  expect(pool.dials.length).toBe(1);
  await pool.connect();
  await until(() => later.status === 200);
});

test('a handler that throws when its dial failed keeps no other from hearing of it', async () => {
  const pool = await rig();
  const onDialFailed = (): void => {
    throw new Error(`in dialFailed of ${pool.dials.length}`);
  };
  const told = [pool.open('k', { onDialFailed }), pool.open(), pool.open()];
  await pool.turn();
  expect(() => pool.refuse()).toThrow('in dialFailed');
  expect(told.map((one) => one.dialFailed)).toEqual(Array.from(told, () => REFUSED));
});
