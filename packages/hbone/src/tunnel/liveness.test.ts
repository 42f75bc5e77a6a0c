/** Signs of life and the deadlines of a connection, against peers made of raw frames. The clock is the test's. */
import {
  type ClientConnection,
  ErrorCode,
  isRetryable,
  type Secure,
  type ServerConnection,
  type StreamFailure,
  type TunnelOptions,
} from '@ambientmesh/hbone';
import { afterEach, expect, test, vi } from 'vitest';
import { createFakeClockEngine, type FakeClockEngine } from '../testing/fake-clock.ts';
import { dialSecure, dialTunnelClient, fixtureTls, listenPlain, listenTunnelServer } from '../testing/loopback.ts';

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

const FIELDS = [
  [':method', 'CONNECT'],
  [':authority', '127.0.0.1:80'],
] as const;
/** hbone.md §2 */
const PING_AFTER_MS = 10_000;
const PONG_WITHIN_MS = 20_000;
const SETTINGS_WITHIN_MS = 10_000;

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n').toString('hex');
const SETTINGS = '000000040000000000';
const SETTINGS_ACK = '000000040100000000';
const PING_ACK = '000008060100000000';
/** `:status: 200` for stream 1. */
const OK = '00000101040000000188';
const goaway = (lastId: number, code: number): string =>
  `000008070000000000${[lastId, code].map((value) => value.toString(16).padStart(8, '0')).join('')}`;
const FRAME_HEADER_BYTES = 9;

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly payload: string;
}
const PING = 6;
const GOAWAY = 7;

/** An end that says only what it is told to. */
class RawPeer {
  readonly secure: Secure;
  ended = false;
  #received = Buffer.alloc(0);

  constructor(secure: Secure) {
    this.secure = secure;
    secure.handler = {
      established: () => {},
      bytes: (memory, start, end) => {
        this.#received = Buffer.concat([this.#received, memory.subarray(start, end)]);
      },
      delivered: () => {},
      writable: () => {},
      ended: () => {
        this.ended = true;
      },
      failed: () => {
        this.ended = true;
      },
    };
  }

  send(...hex: string[]): void {
    const bytes = Buffer.from(hex.join(''), 'hex');
    this.secure.send(bytes, 0, bytes.length);
  }

  get frames(): Frame[] {
    const bytes = this.#received;
    const frames: Frame[] = [];
    let at = bytes.subarray(0, 3).toString() === 'PRI' ? PREFACE.length / 2 : 0;
    while (at + FRAME_HEADER_BYTES <= bytes.length) {
      const end = at + FRAME_HEADER_BYTES + bytes.readUIntBE(at, 3);
      const payload = bytes.subarray(at + FRAME_HEADER_BYTES, end).toString('hex');
      frames.push({ type: bytes[at + 3]!, flags: bytes[at + 4]!, payload });
      at = end;
    }
    return frames;
  }

  payloads(type: number): string[] {
    return this.frames.filter((frame) => frame.type === type && frame.flags === 0).map((frame) => frame.payload);
  }

  async pings(count: number): Promise<string[]> {
    await until(() => this.payloads(PING).length >= count);
    return this.payloads(PING);
  }
}

interface Rig {
  readonly engine: FakeClockEngine;
  readonly peer: RawPeer;
  /** `silent`, `closed` or the failure's code. */
  readonly events: string[];
}

interface ClientRig extends Rig {
  readonly connection: ClientConnection;
}

/** Our client at a raw server. */
async function clientRig(greeting: string[], options: TunnelOptions = {}): Promise<ClientRig> {
  const engine = createFakeClockEngine();
  const tls = fixtureTls(engine, 'server');
  const events: string[] = [];
  let peer: RawPeer | undefined;
  const port = await listenPlain(
    engine,
    (plain) => {
      const secure = engine.secureServer(plain, tls, {
        established: () => {
          peer = new RawPeer(secure);
          peer.send(...greeting);
        },
        bytes: () => {},
        delivered: () => {},
        writable: () => {},
        ended: () => {},
        failed: () => {},
      });
      cleanup(() => secure.abort());
    },
    cleanup,
  );
  const connection = await dialTunnelClient(engine, port, cleanup, {
    ...options,
    silent: () => events.push('silent'),
    closed: (failure) => void events.push(failure?.code ?? 'closed'),
  });
  await until(() => peer !== undefined);
  // The peer's SETTINGS are acknowledged as soon as they are read.
  if (greeting.includes(SETTINGS)) await until(() => peer!.frames.some((frame) => frame.flags === 1));
  return { engine, peer: peer!, events, connection };
}

interface ServerRig extends Rig {
  readonly connection: ServerConnection;
}

/** Our server with a raw client. */
async function serverRig(greeting: string[], options: TunnelOptions = {}): Promise<ServerRig> {
  const engine = createFakeClockEngine();
  const events: string[] = [];
  const connections: ServerConnection[] = [];
  const port = await listenTunnelServer(
    engine,
    { request: () => {}, closed: (failure) => void events.push(failure?.code ?? 'closed') },
    cleanup,
    { ...options, accepted: (connection) => connections.push(connection) },
  );
  const peer = new RawPeer(await dialSecure(engine, port, cleanup));
  cleanup(() => peer.secure.abort());
  peer.send(PREFACE, ...greeting);
  if (greeting.includes(SETTINGS)) await until(() => peer.frames.some((frame) => frame.flags === 1));
  await until(() => connections.length > 0);
  return { engine, peer, events, connection: connections[0]! };
}

const makeRig = {
  client: clientRig,
  server: serverRig,
};
const roles = ['client', 'server'] as const;
const SETTLED = [SETTINGS, SETTINGS_ACK];

test('client: no answer to a PING for 20 s cuts the connection', async () => {
  const { engine, events, connection } = await clientRig(SETTLED);
  connection.open(FIELDS, { response: () => {}, failed: (failure) => void events.push(failure.kind) });
  engine.advance(PING_AFTER_MS + PONG_WITHIN_MS - 1);
  expect(events).toEqual([]);
  engine.advance(1);
  expect(events).toEqual(['silent', 'connection', 'EPIPE']);
  expect(engine.timerCount).toBe(0);
});

test('server: no answer to a PING for 20 s is GOAWAY(NO_ERROR) and a close in an orderly way', async () => {
  const { engine, peer, events } = await serverRig(SETTLED);
  engine.advance(PING_AFTER_MS + PONG_WITHIN_MS - 1);
  expect(events).toEqual([]);
  engine.advance(1);
  await until(() => peer.ended);
  peer.secure.close();
  await until(() => events.length > 0);
  expect(events).toEqual(['closed']);
  expect(peer.payloads(GOAWAY)).toEqual(['0000000000000000']);
  expect(engine.timerCount).toBe(0);
});

test('server: a silent peer that does not close either is cut soon after', async () => {
  const { engine, peer, events } = await serverRig(SETTLED);
  engine.advance(PING_AFTER_MS + PONG_WITHIN_MS);
  await until(() => peer.ended);
  expect(events).toEqual([]);
  engine.advance(2000);
  await until(() => events.length > 0);
  expect(engine.timerCount).toBe(0);
});

test.each(roles)('%s: answers that come late, but come, keep the connection', async (role) => {
  const { engine, peer, events } = await makeRig[role](SETTLED);
  for (let round = 1; round <= 3; round++) {
    engine.advance(PING_AFTER_MS);
    const pings = await peer.pings(round);
    engine.advance(PONG_WITHIN_MS - 1);
    peer.send(PING_ACK, pings.at(-1)!);
    // The connection's answer to a PING of the peer comes after it has read that one.
    peer.send('000008060000000000', 'ffffffff0000000'.concat(String(round)));
    await until(() => peer.frames.filter((frame) => frame.payload.startsWith('ffffffff')).length === round);
  }
  expect([events, peer.payloads(PING).length]).toEqual([[], 3]);
});

test.each(roles)('%s: answers to PINGs that were never sent, or twice, count for nothing', async (role) => {
  const { engine, peer, events } = await makeRig[role](SETTLED);
  engine.advance(PING_AFTER_MS);
  const [ping] = await peer.pings(1);
  const forged = ['ffffffffffffffff', '0000000000000000', '0000000000000002'];
  for (let count = 0; count < 100; count++) peer.send(...forged.map((payload) => PING_ACK + payload));
  peer.send(PING_ACK, ping!, PING_ACK, ping!, PING_ACK, ping!);
  peer.send('000008060000000000', 'ffffffff00000000');
  await until(() => peer.frames.some((frame) => frame.payload.startsWith('ffffffff')));
  // The true answer counted: the next PING comes 10 s later, and the flood does not answer it.
  engine.advance(PING_AFTER_MS);
  await peer.pings(2);
  engine.advance(PONG_WITHIN_MS);
  if (role === 'server') await until(() => peer.ended);
  else expect(events).toEqual(['silent', 'EPIPE']);
});

test('a drain waits for its own PING, whatever was answered before, in whatever order', async () => {
  const { engine, peer, connection } = await serverRig(SETTLED);
  engine.advance(PING_AFTER_MS);
  const [first] = await peer.pings(1);
  connection.drain();
  const [, second] = await peer.pings(2);
  peer.send(PING_ACK, first!);
  peer.send('000008060000000000', 'ffffffff00000000');
  await until(() => peer.frames.some((frame) => frame.payload.startsWith('ffffffff')));
  expect(peer.payloads(GOAWAY)).toEqual(['7fffffff00000000']);
  peer.send(PING_ACK, second!);
  await until(() => peer.payloads(GOAWAY).length === 2);
  expect(peer.payloads(GOAWAY)[1]).toBe('0000000000000000');
});

test('an answer to a later PING answers those before it', async () => {
  const { engine, peer, connection, events } = await serverRig(SETTLED);
  connection.drain();
  engine.advance(PING_AFTER_MS);
  const [, second] = await peer.pings(2);
  peer.send(PING_ACK, second!);
  await until(() => peer.payloads(GOAWAY).length === 2);
  await until(() => peer.ended);
  peer.secure.close();
  await until(() => events.length > 0);
  expect([events, engine.timerCount]).toEqual([['closed'], 0]);
});

const UNSETTLED = [
  { missing: 'everything', greeting: [] },
  { missing: 'the acknowledgement', greeting: [SETTINGS] },
];

test.each(roles.flatMap((role) => UNSETTLED.map((row) => ({ role, ...row }))))(
  '$role: $missing of the SETTINGS missing for 10 s is SETTINGS_TIMEOUT',
  async ({ role, greeting }) => {
    const { engine, peer, events } = await makeRig[role](greeting);
    engine.advance(SETTINGS_WITHIN_MS - 1);
    expect(peer.payloads(GOAWAY)).toEqual([]);
    engine.advance(1);
    await until(() => peer.ended);
    expect(peer.payloads(GOAWAY)).toEqual(['0000000000000004']);
    peer.secure.close();
    await until(() => events.length > 0);
    expect([events, engine.timerCount]).toEqual([['HTTP2'], 0]);
  },
);

test('the time for SETTINGS is an option; the streams are told', async () => {
  const { engine, connection } = await clientRig([], { settingsTimeoutMs: 100 });
  const failures: StreamFailure[] = [];
  connection.open(FIELDS, { response: () => {}, failed: (failure) => failures.push(failure) });
  engine.advance(100);
  expect(failures).toEqual([
    {
      kind: 'connection',
      failure: {
        code: 'HTTP2',
        message: 'connection error detected: settings ACK not received in timely manner',
        detail: 'SETTINGS, or the acknowledgement of ours, did not come',
      },
    },
  ]);
});

test('a response that does not come in time: the stream is reset, its opener told once, siblings go on', async () => {
  const { engine, peer, connection, events } = await clientRig(SETTLED);
  const told: string[] = [];
  const open = (name: string, timeoutMs?: number): void => {
    connection.open(
      FIELDS,
      {
        response: (_stream, status) => void told.push(`${name} ${status}`),
        failed: (failure) =>
          void told.push(`${name} ${failure.kind} ${failure.kind === 'timeout' ? failure.failure.code : ''}`),
      },
      timeoutMs === undefined ? {} : { timeoutMs },
    );
  };
  open('first', 5000);
  open('second', 1000);
  open('third');
  engine.advance(999);
  expect(told).toEqual([]);
  engine.advance(1);
  expect([told, connection.streamCount]).toEqual([['second timeout ETIMEDOUT'], 2]);
  peer.send(OK);
  await until(() => told.length === 2);
  engine.advance(9000);
  expect(told).toEqual(['second timeout ETIMEDOUT', 'first 200']);
  await until(() => peer.frames.some((frame) => frame.type === 3));
  expect(peer.payloads(3)).toEqual([`0000000${ErrorCode.CANCEL}`]);
  expect(events).toEqual([]);
});

test('no deadline is left of a stream that was given up, or whose connection went', async () => {
  const { engine, connection } = await clientRig(SETTLED);
  const before = engine.timerCount;
  const given = { response: () => {}, failed: () => {} };
  connection.open(FIELDS, given, { timeoutMs: 5000 })!.cancel();
  expect(engine.timerCount).toBe(before);
  connection.open(FIELDS, given, { timeoutMs: 5000 });
  connection.abort();
  expect(engine.timerCount).toBe(0);
});

test.each([
  { what: 'GOAWAY below its id', frames: [goaway(0, 0)], retryable: true },
  { what: 'RST_STREAM(REFUSED_STREAM)', frames: ['00000403000000000100000007'], retryable: true },
  { what: 'RST_STREAM(CANCEL)', frames: ['00000403000000000100000008'], retryable: false },
  { what: 'a connection error', frames: ['000000000000000003'], retryable: false },
])('a request that ends by $what may be tried again: $retryable', async ({ frames, retryable }) => {
  const { peer, connection } = await clientRig(SETTLED);
  const failures: StreamFailure[] = [];
  connection.open(FIELDS, { response: () => {}, failed: (failure) => failures.push(failure) });
  await until(() => peer.frames.some((frame) => frame.type === 1));
  peer.send(...frames);
  await until(() => failures.length > 0);
  expect(failures.map((failure) => isRetryable(failure))).toEqual([retryable]);
});
