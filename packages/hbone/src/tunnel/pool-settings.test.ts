/** The pool before the peer has said how many streams it takes: one request goes ahead, the others wait for the word. */
import type { StreamFailure, TunnelPoolOptions } from '@ambientmesh/hbone';
import { afterEach, expect, test, vi } from 'vitest';
import { HeldSecure } from '../testing/held-secure.ts';
import { http2Server } from '../testing/http2-peer.ts';
import { finish, PoolRig, type Told } from '../testing/pool-rig.ts';
import { goaway, headers, settings, settingsAck, statusBlock, Type } from '../testing/raw-frames.ts';

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

const MAX_CONCURRENT_STREAMS = 3;
const SETTINGS_WITHIN_MS = 10_000;
const DISMISSED_WITHIN_MS = 2000;
const LOST = { code: 'ECONNRESET', message: 'Connection reset by peer (os error 104)' };

/** Connections whose other end is the test. */
class Held extends PoolRig {
  readonly secures: HeldSecure[] = [];

  constructor(options: TunnelPoolOptions = {}) {
    super({ cleanup, until }, options);
  }

  /** The dial under way succeeds; nothing was received. */
  async establish(): Promise<HeldSecure> {
    const secure = new HeldSecure();
    this.secures.push(secure);
    const dial = this.dials.at(-1)!;
    dial.settled = true;
    dial.handler.established(secure);
    await this.turn();
    return secure;
  }

  async openMany(count: number): Promise<Told[]> {
    const told = Array.from({ length: count }, () => this.open());
    await this.turn();
    return told;
  }
}

const asked = (secure: HeldSecure): number => secure.takeFrames().filter((one) => one.type === Type.HEADERS).length;
const opened = (told: readonly Told[]): number => told.filter((one) => one.stream !== undefined).length;

test.each([1, 2, 7])(
  'a server of node:http2 that takes %i streams at once: no request of many fails',
  async (limit) => {
    const rig = new Held();
    const { port } = await http2Server(
      (stream) => {
        stream.respond({ ':status': 200 });
        stream.pipe(stream);
      },
      cleanup,
      { maxConcurrentStreams: limit },
    );
    const told = await rig.openMany(7);
    while (told.some((one) => one.stream === undefined)) {
      if (rig.dialsUnderWay > 0) await rig.connect(rig.dials.length - 1, port);
      await until(() => rig.dialsUnderWay > 0 || told.every((one) => one.stream !== undefined));
    }
    await until(() => told.every((one) => one.status === 200));
    expect([rig.dials.length, rig.pool.waitingCount]).toEqual([Math.ceil(7 / limit), 0]);
    await Promise.all(told.map(finish));
  },
);

test('the first request leaves with the greeting, the others when the SETTINGS come', async () => {
  const rig = new Held();
  const told = await rig.openMany(3);
  const secure = await rig.establish();
  told.push(...(await rig.openMany(1)));
  expect([asked(secure), opened(told), rig.pool.waitingCount, rig.dials.length]).toEqual([1, 1, 3, 1]);
  secure.receive(settings());
  await rig.turn();
  await rig.turn();
  expect([asked(secure), opened(told), rig.pool.waitingCount, rig.dials.length]).toEqual([3, 4, 0, 1]);
});

test('the limit counts what is open: 1 allowed, 1 dial for each', async () => {
  const rig = new Held();
  const told = await rig.openMany(3);
  for (let count = 1; count <= 3; count++) {
    const secure = await rig.establish();
    expect([opened(told), rig.dials.length]).toEqual([count, count]);
    secure.receive(settings([MAX_CONCURRENT_STREAMS, 1]), settingsAck(), headers(1, statusBlock(200)));
    await rig.turn();
    await rig.turn();
  }
  expect(told.map((one) => [one.status, one.failed])).toEqual(Array.from(told, () => [200, undefined]));
  expect(rig.dials.length).toBe(3);
});

test('a connection that is full by our own limit keeps nobody waiting', async () => {
  const rig = new Held({ maxStreamsPerConnection: 1 });
  const told = await rig.openMany(2);
  await rig.establish();
  expect([opened(told), rig.dials.length]).toEqual([1, 2]);
  await rig.establish();
  expect([opened(told), rig.dials.length]).toEqual([2, 2]);
});

test('who dialled has given up: the next one goes ahead in its place', async () => {
  const rig = new Held();
  const told = await rig.openMany(3);
  told[0]!.cancel();
  const secure = await rig.establish();
  expect([asked(secure), opened(told)]).toEqual([1, 1]);
});

test.each(['silent', 'lost'] as const)('no SETTINGS come (%s): all who wait for them fail with it', async (how) => {
  const rig = new Held();
  const told = await rig.openMany(3);
  const secure = await rig.establish();
  const cancelled = rig.open();
  await rig.turn();
  cancelled.cancel();
  if (how === 'silent') rig.engine.advance(SETTINGS_WITHIN_MS);
  else secure.handler.failed(LOST);
  secure.done?.();
  const failures: StreamFailure[] = told.map((one) => one.failed!);
  expect(failures[0]).toMatchObject({ kind: 'connection', failure: { code: how === 'lost' ? 'ECONNRESET' : 'HTTP2' } });
  expect(failures).toEqual(Array.from(told, () => failures[0]));
  expect([told.map((one) => one.dialFailed), cancelled.failed, rig.dials.length]).toEqual([
    [undefined, undefined, undefined],
    undefined,
    1,
  ]);
  // Nobody later.
  const later = rig.open();
  await rig.turn();
  expect([rig.dials.length, later.failed]).toEqual([2, undefined]);
});

test.each(['the peer closes', 'the pool forgets it'] as const)(
  '%s before the SETTINGS: who waits dials',
  async (how) => {
    const rig = new Held({ unusedReleaseMs: 100 });
    const told = await rig.openMany(2);
    const secure = await rig.establish();
    if (how === 'the peer closes') {
      secure.handler.ended(false);
      secure.done?.();
    } else rig.engine.advance(100);
    await rig.turn();
    await rig.turn();
    expect([rig.dials.length, told[1]!.failed, told[1]!.dialFailed]).toEqual([2, undefined, undefined]);
    const second = await rig.establish();
    expect([asked(second), opened(told)]).toEqual([1, 2]);
  },
);

test('who waited for SETTINGS that do not come fails when the time is over, not when the queue has left', async () => {
  const rig = new Held();
  const told = await rig.openMany(3);
  await rig.establish();
  rig.engine.advance(SETTINGS_WITHIN_MS);
  expect(told.map((one) => one.failed)).toEqual(
    Array.from(told, () => expect.objectContaining({ failure: expect.objectContaining({ code: 'HTTP2' }) })),
  );
  const [late] = await rig.openMany(1);
  expect([rig.dials.length, rig.pool.connectionCount]).toEqual([2, 1]);
  // The first connection is cut: nobody new is told.
  rig.engine.advance(DISMISSED_WITHIN_MS);
  expect([rig.pool.connectionCount, late!.failed]).toEqual([0, undefined]);
  await rig.establish();
  expect(opened([late!])).toBe(1);
});

test('the peer closes before the SETTINGS and takes nothing of what is queued: who waits dials', async () => {
  const rig = new Held();
  const told = await rig.openMany(2);
  const secure = await rig.establish();
  secure.handler.ended(false);
  await rig.turn();
  expect([rig.dials.length, told[0]!.failed?.kind, told[1]!.failed]).toEqual([2, 'connection', undefined]);
  const second = await rig.establish();
  // The first is gone at last: nobody waits for it.
  secure.handler.failed(LOST);
  await rig.turn();
  expect([asked(second), opened(told), told[1]!.failed, rig.pool.connectionCount]).toEqual([1, 2, undefined, 1]);
});

test.each(['the one ahead', 'one that waits'] as const)(
  'a request made while %s is told of the end dials anew',
  async (who) => {
    const rig = new Held();
    let again: Told | undefined;
    const onFailed = (): void => void (again = rig.open());
    rig.open('k', who === 'the one ahead' ? { onFailed } : {});
    const waiting = rig.open('k', who === 'the one ahead' ? {} : { onFailed });
    await rig.turn();
    const secure = await rig.establish();
    secure.handler.failed(LOST);
    await rig.turn();
    expect([waiting.failed?.kind, again?.failed, again?.dialFailed]).toEqual(['connection', undefined, undefined]);
    expect(rig.dials.length).toBe(2);
    await rig.establish();
    expect(opened([again!])).toBe(1);
  },
);

test('the owner closes a connection whose SETTINGS have not come: who asks dials', async () => {
  const rig = new Held();
  const told = await rig.openMany(2);
  await rig.establish();
  told[0]!.connection!.close();
  await rig.openMany(1);
  expect([rig.dials.length, rig.dialsUnderWay, opened(told)]).toEqual([2, 1, 1]);
  await rig.establish();
  expect(opened(told)).toBe(2);
});

test('forgotten again and again before the SETTINGS: one dial at a time, one for each request', async () => {
  const releaseMs = SETTINGS_WITHIN_MS / 4;
  const rig = new Held({ unusedReleaseMs: releaseMs });
  const told = await rig.openMany(5);
  for (let count = 1; count <= 5; count++) {
    expect([rig.dials.length, rig.dialsUnderWay]).toEqual([count, 1]);
    await rig.establish();
    expect([opened(told), rig.dialsUnderWay]).toEqual([count, 0]);
    rig.engine.advance(releaseMs);
    await rig.turn();
    // Those whose time is over do not pile up.
    expect(rig.pool.connectionCount).toBeLessThanOrEqual((SETTINGS_WITHIN_MS + DISMISSED_WITHIN_MS) / releaseMs + 1);
  }
  expect([rig.dials.length, rig.pool.pooledCount, rig.pool.waitingCount]).toEqual([5, 0, 0]);
});

test('GOAWAY right behind the SETTINGS: who waits dials', async () => {
  const rig = new Held();
  const told = await rig.openMany(3);
  const secure = await rig.establish();
  secure.receive(settings(), goaway(1, 0));
  await rig.turn();
  await rig.turn();
  expect([opened(told), rig.dials.length, told.map((one) => one.failed)]).toEqual([
    1,
    2,
    [undefined, undefined, undefined],
  ]);
});

test.each(['close', 'drain'] as const)('%s while requests wait for SETTINGS: they fail, once', async (method) => {
  const rig = new Held();
  const told = await rig.openMany(3);
  await rig.establish();
  if (method === 'close') rig.pool.close();
  else rig.pool.drain(() => {});
  await rig.turn();
  expect(told.map((one) => one.dialFailed?.code)).toEqual([undefined, 'ABORTED', 'ABORTED']);
  expect([rig.pool.waitingCount, told.slice(1).map((one) => one.failed)]).toEqual([0, [undefined, undefined]]);
});
