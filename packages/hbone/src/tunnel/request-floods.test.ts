/** Requests that come by the hundred in one read: how many are told of in a turn, and that none is lost. */
import { ErrorCode, ServerConnection, type ServerStream } from '@ambientmesh/hbone';
import { expect, test, vi } from 'vitest';
import { createFakeClockEngine, type FakeClockEngine } from '../testing/fake-clock.ts';
import { HeldSecure } from '../testing/held-secure.ts';
import {
  connectBlock,
  FLAG,
  goaway,
  headers,
  PREFACE,
  rstStream,
  settings,
  settingsAck,
  Type,
} from '../testing/raw-frames.ts';
import { createTestEngine } from '../testing/test-engine.ts';
import { MOST_REQUESTS_A_TURN } from './server-connection.ts';

const CONNECT = connectBlock('127.0.0.1:80');
/** As many as one read brings; the limit of resets is 1000. */
const READ_STREAMS = 900;

interface Rig {
  readonly engine: FakeClockEngine;
  readonly secure: HeldSecure;
  readonly connection: ServerConnection;
  readonly told: number[];
  readonly failed: number[];
}

function serverRig(request: (stream: ServerStream) => void = () => {}): Rig {
  const engine = createFakeClockEngine();
  const secure = new HeldSecure();
  const [told, failed]: number[][] = [[], []];
  const connection = new ServerConnection(engine, secure, {
    request: (stream) => {
      told!.push(stream.id);
      const nothing = { data: () => {}, ended: () => {}, writable: () => {} };
      stream.handler = { ...nothing, failed: () => void failed!.push(stream.id) };
      request(stream);
    },
    closed: () => {},
  });
  secure.receive(PREFACE, settings(), settingsAck());
  return { engine, secure, connection, told: told!, failed: failed! };
}

const ids = (count: number): number[] => Array.from({ length: count }, (_, index) => 2 * index + 1);

async function turn(engine: FakeClockEngine): Promise<void> {
  await new Promise<void>((resolve) => {
    engine.after(0, resolve);
  });
}

test('rapid reset (CVE-2023-44487): what is taken back in the read that brought it is told of up to the limit, once', async () => {
  const { engine, secure, connection, told, failed } = serverRig();
  secure.receive(...ids(READ_STREAMS).flatMap((id) => [headers(id, CONNECT), rstStream(id, ErrorCode.CANCEL)]));
  expect([told.length, failed.length]).toEqual([MOST_REQUESTS_A_TURN, MOST_REQUESTS_A_TURN]);
  await turn(engine);
  await turn(engine);
  expect([told.length, connection.streamCount, secure.done]).toEqual([MOST_REQUESTS_A_TURN, 0, undefined]);
});

test('rapid reset beyond the rate of resets ends the connection with ENHANCE_YOUR_CALM', () => {
  const { secure, told } = serverRig();
  secure.receive(...ids(2 * READ_STREAMS).flatMap((id) => [headers(id, CONNECT), rstStream(id, ErrorCode.CANCEL)]));
  const last = secure.takeFrames().findLast(({ type }) => type === Type.GOAWAY);
  expect([told.length, last?.payload.readUInt32BE(4)]).toEqual([MOST_REQUESTS_A_TURN, ErrorCode.ENHANCE_YOUR_CALM]);
});

test('requests that stay are all told of, in order, so many a turn', async () => {
  const engine = createTestEngine();
  const secure = new HeldSecure();
  const told: number[] = [];
  const turns: number[] = [];
  let inTurn = 0;
  const turnOver = (): void => {
    turns.push(inTurn);
    inTurn = 0;
  };
  const connection = new ServerConnection(engine, secure, {
    request: (stream) => {
      if (inTurn++ === 0) engine.atEndOfTurn(turnOver);
      told.push(stream.id);
    },
    closed: () => {},
  });
  const all = ids(4 * MOST_REQUESTS_A_TURN);
  engine.atEndOfTurn(() => {
    secure.receive(PREFACE, settings(), settingsAck(), ...all.slice(0, -1).map((id) => headers(id, CONNECT)));
    // Comes meanwhile, and is behind those that wait.
    secure.receive(headers(all.at(-1)!, CONNECT));
  });
  await vi.waitUntil(() => turns.length === 4, { interval: 2 });
  expect(turns).toEqual([1, 2, 3, 4].map(() => MOST_REQUESTS_A_TURN));
  expect(told).toEqual(all);
  connection.abort();
});

test('refusals are work as well: they are told of so many a turn', async () => {
  const { engine, secure, told } = serverRig((stream) => stream.respond(401, [], { last: true }));
  const all = ids(3 * MOST_REQUESTS_A_TURN);
  secure.receive(...all.map((id) => headers(id, CONNECT, FLAG.END_STREAM)));
  expect(told.length).toBe(MOST_REQUESTS_A_TURN);
  await turn(engine);
  await turn(engine);
  expect(told).toEqual(all);
});

test.each(['its end', 'abort', 'one of them, by abort'])(
  'a connection that ends by %s tells of no more requests',
  async (how) => {
    let asked = 0;
    const { engine, secure, connection, told } = serverRig(() => {
      if (++asked === MOST_REQUESTS_A_TURN + 1 && how.startsWith('one')) connection.abort();
    });
    secure.receive(...ids(3 * MOST_REQUESTS_A_TURN).map((id) => headers(id, CONNECT)));
    if (how === 'its end') secure.handler.ended(false);
    if (how === 'abort') connection.abort();
    await turn(engine);
    await turn(engine);
    expect(told.length).toBe(how.startsWith('one') ? MOST_REQUESTS_A_TURN + 1 : MOST_REQUESTS_A_TURN);
    secure.done?.();
    expect([connection.streamCount, engine.timerCount]).toEqual([0, 0]);
  },
);

test('a drain waits for requests that were not told of yet', async () => {
  const { engine, secure, connection, told } = serverRig((stream) => stream.respond(503, [], { last: true }));
  secure.receive(...ids(2 * MOST_REQUESTS_A_TURN).map((id) => headers(id, CONNECT, FLAG.END_STREAM)));
  connection.drain();
  secure.receive(goaway(0, 0));
  expect([told.length, secure.done]).toEqual([MOST_REQUESTS_A_TURN, undefined]);
  await turn(engine);
  expect(told.length).toBe(2 * MOST_REQUESTS_A_TURN);
});
