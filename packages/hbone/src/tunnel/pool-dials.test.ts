/** The pool while it dials, and when connections go: dials are made when the test says so, over real TLS. hbone.md §6 */
import {
  type ClientConnection,
  type ClientStream,
  type ConnectionFailure,
  type Dial,
  ErrorCode,
  type HandshakeHandler,
  isRetryable,
  type ServerConnection,
  type ServerStream,
  type StreamFailure,
  TunnelPool,
  type TunnelPoolOptions,
} from '@ambientmesh/hbone';
import { afterEach, expect, test, vi } from 'vitest';
import type { CodecOptions } from '../core/limits.ts';
import { createFakeClockEngine, type FakeClockEngine } from '../testing/fake-clock.ts';
import { http2Server } from '../testing/http2-peer.ts';
import { dialSecure, listenTunnelServer, openDescriptors } from '../testing/loopback.ts';

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
  await vi.waitUntil(condition, { interval: 2, timeout: 4500 });
}

const FIELDS = [
  [':method', 'CONNECT'],
  [':authority', '127.0.0.1:80'],
] as const;
const REFUSED: ConnectionFailure = { code: 'ECONNREFUSED', message: 'Connection refused (os error 111)' };
const QUIET = { data: () => {}, ended: () => {}, writable: () => {}, failed: () => {} };

/** A dial that waits for the test. */
interface HeldDial {
  readonly handler: HandshakeHandler;
  cancelled: boolean;
  settled: boolean;
}

/** What became of a request. */
interface Told {
  stream?: ClientStream;
  connection?: ClientConnection;
  status?: number;
  failed?: StreamFailure;
  dialFailed?: ConnectionFailure;
  cancel(): void;
}

class Rig {
  readonly engine: FakeClockEngine;
  readonly pool: TunnelPool;
  readonly dials: HeldDial[] = [];
  readonly accepted: ServerConnection[] = [];
  readonly asked: ServerStream[] = [];
  /** The server's answer; 0: none. */
  status = 200;
  #port = 0;

  constructor(options: TunnelPoolOptions) {
    this.engine = createFakeClockEngine();
    this.pool = new TunnelPool(this.engine, options);
    cleanup(() => this.pool.close());
  }

  async listen(codec: Partial<CodecOptions>): Promise<void> {
    this.#port = await listenTunnelServer(
      this.engine,
      {
        request: (stream) => {
          this.asked.push(stream);
          stream.handler = { ...QUIET, ended: () => stream.end() };
          if (this.status > 0) stream.respond(this.status, [], { last: this.status !== 200 });
          stream.start();
        },
        closed: () => {},
      },
      cleanup,
      { codec, accepted: (connection) => void this.accepted.push(connection) },
    );
  }

  readonly dial: Dial = (handler) => {
    const dial: HeldDial = { handler, cancelled: false, settled: false };
    this.dials.push(dial);
    return {
      cancel: () => {
        dial.cancelled = true;
      },
    };
  };

  open(key = 'k', more: { readonly timeoutMs?: number; readonly onDialFailed?: () => void } = {}): Told {
    const told: Told = { cancel: () => {} };
    const { onDialFailed, ...rest } = more;
    const handle = this.pool.open(
      { key, dial: this.dial, fields: FIELDS, ...rest },
      {
        opened: (stream, connection) => Object.assign(told, { stream, connection }),
        response: (_stream, status) => void (told.status = status),
        failed: (failure) => void (told.failed = failure),
        dialFailed: (failure) => {
          if (told.dialFailed !== undefined) throw new Error('told twice');
          told.dialFailed = failure;
          onDialFailed?.();
        },
      },
    );
    told.cancel = () => handle.cancel();
    return told;
  }

  async turn(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.engine.atEndOfTurn(resolve);
    });
  }

  /** The dial under way succeeds. */
  async connect(index = this.dials.length - 1, port = this.#port): Promise<void> {
    const dial = this.dials[index]!;
    const secure = await dialSecure(this.engine, port, cleanup);
    dial.settled = true;
    dial.handler.established(secure);
  }

  refuse(index = this.dials.length - 1): void {
    const dial = this.dials[index]!;
    dial.settled = true;
    dial.handler.failed(REFUSED);
  }

  get dialsUnderWay(): number {
    return this.dials.filter((dial) => !dial.settled && !dial.cancelled).length;
  }

  /** The peer's SETTINGS and ours are read: a round trip on a stream of its own has passed. */
  async warm(key = 'k'): Promise<void> {
    const told = this.open(key);
    await this.turn();
    if (told.stream === undefined) await this.connect();
    await until(() => told.status !== undefined);
    await finish(told);
  }
}

async function rig(options: TunnelPoolOptions = {}, codec: Partial<CodecOptions> = {}): Promise<Rig> {
  const made = new Rig(options);
  await made.listen(codec);
  return made;
}

/** Ends a stream on both sides. */
async function finish(told: Told): Promise<void> {
  const stream = told.stream!;
  const ended = new Promise<void>((resolve) => {
    stream.handler = { ...QUIET, ended: resolve };
  });
  stream.start();
  stream.end();
  await ended;
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
  await pool.connect(0);
  expect(told.filter((one) => one.stream !== undefined).length).toBe(2);
  expect([pool.dials.length, other.stream]).toEqual([3, undefined]);
  await pool.connect(2);
  expect(told.filter((one) => one.stream !== undefined).length).toBe(4);
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
  // 100 are assumed of a peer whose SETTINGS have not come: the next connection takes all four, the peer refuses one.
  await pool.connect();
  await until(() => told.every((one) => one.status === 200 || one.failed !== undefined));
  const refused = told.filter((one) => one.failed !== undefined);
  expect(refused.map((one) => isRetryable(one.failed!))).toEqual([true]);
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
