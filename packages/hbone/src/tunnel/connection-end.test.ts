/** A connection that ends while something else is under way: who is told of it, and that nothing comes after. */
import {
  ClientConnection,
  ErrorCode,
  PlainRelay,
  ServerConnection,
  type ServerStream,
  type StreamHandler,
  StreamPlain,
} from '@ambientmesh/hbone';
import { expect, test } from 'vitest';
import { createFakeClockEngine, type FakeClockEngine } from '../testing/fake-clock.ts';
import { HeldSecure } from '../testing/held-secure.ts';
import {
  connectBlock,
  data,
  FLAG,
  frame,
  goaway,
  headers,
  PREFACE,
  ping,
  rstStream,
  settings,
  settingsAck,
  statusBlock,
  Type,
  windowUpdate,
} from '../testing/raw-frames.ts';

const FIELDS = [
  [':method', 'CONNECT'],
  [':authority', '127.0.0.1:80'],
] as const;
const CONNECT = connectBlock('127.0.0.1:80');
const OK = statusBlock(200);
const PING_AFTER_MS = 10_000;
const NO_WINDOW = settings([4, 0]);
/** A connection error: PING on a stream. */
const FORBIDDEN = frame(Type.PING, 0, 7, Buffer.alloc(8));
const LOST = { code: 'ECONNRESET', message: 'Connection reset by peer (os error 104)' };
const QUIET: StreamHandler = { data: () => {}, ended: () => {}, writable: () => {}, failed: () => {} };

async function turn(engine: FakeClockEngine): Promise<void> {
  await new Promise<void>((resolve) => {
    engine.atEndOfTurn(resolve);
  });
}

interface Rig {
  readonly engine: FakeClockEngine;
  readonly secure: HeldSecure;
  /** What was told, in order. */
  readonly log: string[];
}

interface ServerRig extends Rig {
  readonly connection: ServerConnection;
  readonly streams: ServerStream[];
}

/** Our server; `told` may act on what happens: `request 1`, `data 1`, `ended 1`, `writable 1`, `failed 1`, `closed`. */
function serverRig(told: (event: string, rig: ServerRig) => void = () => {}): ServerRig {
  const engine = createFakeClockEngine();
  const secure = new HeldSecure();
  const log: string[] = [];
  const streams: ServerStream[] = [];
  const tell = (event: string): void => {
    log.push(event);
    told(event, rig);
  };
  const connection = new ServerConnection(engine, secure, {
    request: (stream) => {
      streams.push(stream);
      stream.respond(200, [], { last: false });
      stream.handler = {
        data: () => tell(`data ${stream.id}`),
        ended: () => tell(`ended ${stream.id}`),
        writable: () => tell(`writable ${stream.id}`),
        failed: () => tell(`failed ${stream.id}`),
      };
      stream.start();
      tell(`request ${stream.id}`);
    },
    closed: (failure) => tell(failure === undefined ? 'closed' : `closed ${failure.code}`),
  });
  const rig: ServerRig = { engine, secure, log, connection, streams };
  return rig;
}

const asked = (...ids: number[]): Buffer => Buffer.concat(ids.map((id) => headers(id, CONNECT)));

test.each(['a connection error', 'a lost connection', 'abort', 'the end of the peer'])(
  '%s: no stream can be used any more when the first is told, and all are told',
  (how) => {
    const rig = serverRig((event, { streams }) => {
      if (!event.startsWith('failed')) return;
      for (const stream of streams) {
        expect([stream.gone, stream.budget]).toEqual([true, 0]);
        stream.send(Buffer.alloc(1), 0, 1);
        stream.wait();
        stream.credit(1);
        stream.respond(200, [], { last: true });
        stream.end();
      }
    });
    const { connection, secure, log } = rig;
    secure.receive(PREFACE, settings(), settingsAck(), asked(1, 3, 5));
    log.splice(0);
    if (how === 'a connection error') secure.receive(FORBIDDEN);
    else if (how === 'a lost connection') secure.handler.failed(LOST);
    else if (how === 'abort') connection.abort();
    else secure.handler.ended(false);
    secure.done?.();
    expect(log.slice(0, 3)).toEqual(['failed 1', 'failed 3', 'failed 5']);
    expect(log).toHaveLength(4);
    expect([log[3]!.split(' ')[0], connection.streamCount, rig.engine.timerCount]).toEqual(['closed', 0, 0]);
  },
);

test('two streams of one connection that are joined: a connection error ends the relay', async () => {
  const { engine, secure, streams } = serverRig();
  secure.receive(PREFACE, settings(), settingsAck(), asked(1, 3));
  const finished: (string | undefined)[] = [];
  const [first, second] = streams.map((stream) => new StreamPlain(engine, stream, secure));
  const relay = new PlainRelay(first!, second!, {
    fromFirst: () => {},
    fromSecond: () => {},
    finished: (failure) => finished.push(failure?.text),
  });
  secure.receive(FORBIDDEN);
  await turn(engine);
  expect(finished).toEqual([undefined]);
  relay.abort();
});

test('a stream that is reset cannot be used by what it still delivers', () => {
  const secure = new HeldSecure();
  const log: string[] = [];
  const connection = new ServerConnection(createFakeClockEngine(), secure, {
    request: (stream) => {
      stream.respond(200, [], { last: false });
      stream.handler = {
        data: (memory, start, end) => {
          log.push('data');
          stream.send(memory, start, end);
        },
        ended: () => {
          log.push('ended');
          stream.end();
        },
        writable: () => {},
        failed: () => log.push('failed'),
      };
    },
    closed: () => {},
  });
  const said = data(1, Buffer.from('x'), FLAG.END_STREAM);
  secure.receive(PREFACE, settings(), settingsAck(), asked(1), said, rstStream(1, 8));
  expect([log, connection.streamCount]).toEqual([['data', 'ended', 'failed'], 0]);
  connection.abort();
});

test('a handler that throws is the program’s fault: the others are told, then it is thrown', () => {
  const { connection, secure, log, engine } = serverRig((event) => {
    if (event === 'failed 1' || event === 'closed ECONNRESET') throw new Error(`in ${event}`);
  });
  secure.receive(PREFACE, settings(), settingsAck(), asked(1, 3));
  log.splice(0);
  expect(() => secure.handler.failed(LOST)).toThrow('in failed 1');
  expect(log).toEqual(['failed 1', 'failed 3', 'closed ECONNRESET']);
  expect([connection.streamCount, engine.timerCount]).toEqual([0, 0]);
});

test('a handler that throws when it may write keeps no other stream from writing', async () => {
  let broken = true;
  const rig = serverRig((event) => {
    if (event !== 'writable 1' || !broken) return;
    broken = false;
    throw new Error('in writable');
  });
  const { secure, streams, log, engine, connection } = rig;
  secure.receive(PREFACE, settings(), settingsAck(), asked(1, 3));
  // No room: both wait for the queue.
  secure.send(Buffer.alloc(secure.room), 0, secure.room);
  for (const stream of streams) stream.wait();
  secure.takeFrames();
  log.splice(0);
  expect(() => secure.handler.writable()).toThrow('in writable');
  await turn(engine);
  expect(log).toEqual(['writable 1', 'writable 3']);
  connection.abort();
});

/** What comes behind the frame whose handler cuts the connection, in the same piece. */
const BEHIND: Record<string, Buffer> = {
  request: asked(5),
  data: data(3, Buffer.from('x')),
  end: data(3, Buffer.alloc(0), FLAG.END_STREAM),
  reset: rstStream(3, 8),
  'window of the stream': windowUpdate(3, 1000),
  'window of the connection': windowUpdate(0, 1000),
  settings: settings([4, 1000]),
  ping: ping(9),
  pong: ping(1, true),
  goaway: goaway(0, 0),
  'connection error': FORBIDDEN,
};

test.each(Object.keys(BEHIND))('server: after abort nothing comes of what lies behind: %s', async (kind) => {
  const rig = serverRig((event, { connection }) => {
    if (event === 'data 1') connection.abort();
  });
  const { engine, secure, log, streams, connection } = rig;
  secure.receive(PREFACE, NO_WINDOW, settingsAck(), asked(1, 3));
  for (const stream of streams) stream.wait();
  await turn(engine);
  engine.advance(PING_AFTER_MS);
  await turn(engine);
  secure.takeFrames();
  log.splice(0);
  secure.receive(data(1, Buffer.from('x')), BEHIND[kind]!);
  secure.receive(BEHIND[kind]!);
  await turn(engine);
  expect(log).toEqual(['data 1', 'failed 1', 'failed 3', 'closed ABORTED']);
  expect([connection.streamCount, engine.timerCount, secure.takeFrames()]).toEqual([0, 0, []]);
});

test.each(['abort', 'dismiss', 'lost'] as const)('server: %s inside of `request`: no further request', (how) => {
  const rig = serverRig((event, { connection, secure }) => {
    if (event !== 'request 1') return;
    if (how === 'abort') connection.abort();
    else if (how === 'dismiss') connection.dismiss({ code: 'GONE', message: 'gone' });
    else secure.handler.failed(LOST);
  });
  rig.secure.receive(PREFACE, settings(), settingsAck(), asked(1, 3, 5));
  expect(rig.streams.map((stream) => stream.id)).toEqual([1]);
  expect(rig.connection.streamCount).toBe(0);
  rig.connection.abort();
  expect(rig.engine.timerCount).toBe(0);
});

test.each([
  ['response', headers(3, OK)],
  ['reset', rstStream(3, 8)],
  ['settings', settings([3, 7])],
  ['pong', ping(1, true)],
  ['goaway', goaway(0, 0)],
  ['connection error', FORBIDDEN],
] as const)('client: after abort in a response nothing comes of what lies behind: %s', async (_kind, behind) => {
  const engine = createFakeClockEngine();
  const secure = new HeldSecure();
  const log: string[] = [];
  const connection = new ClientConnection(engine, secure, {
    closed: (failure) => void log.push(`closed ${failure?.code}`),
    silent: () => log.push('silent'),
  });
  secure.receive(settings(), settingsAck());
  for (const name of ['one', 'two'])
    connection.open(FIELDS, {
      response: (stream) => {
        stream.handler = { ...QUIET, failed: () => log.push(`${name} failed`) };
        log.push(`${name} response`);
        connection.abort();
      },
      failed: () => log.push(`${name} failed`),
    });
  await turn(engine);
  engine.advance(PING_AFTER_MS);
  await turn(engine);
  secure.takeFrames();
  secure.receive(headers(1, OK), behind);
  await turn(engine);
  expect(log).toEqual(['one response', 'one failed', 'two failed', 'closed ABORTED']);
  expect([engine.timerCount, secure.takeFrames()]).toEqual([0, []]);
});

test('a connection error says what to check besides the words of the reference', () => {
  const engine = createFakeClockEngine();
  const secure = new HeldSecure();
  const failures: unknown[] = [];
  const connection = new ServerConnection(engine, secure, {
    request: () => {},
    closed: (failure) => failures.push(failure),
  });
  secure.receive(Buffer.from('GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n'));
  secure.done?.();
  connection.abort();
  expect(failures).toEqual([
    {
      code: 'HTTP2',
      message: 'connection error detected: unspecific protocol error detected',
      detail: expect.stringContaining('HTTP/1.1'),
    },
  ]);
  expect(secure.takeFrames().at(-1)?.payload.readUInt32BE(4)).toBe(ErrorCode.PROTOCOL_ERROR);
});
