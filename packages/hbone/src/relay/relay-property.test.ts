/** Random ends of relays: whatever both applications do, everything is released and no byte is wrong. */
import type { Socket } from 'node:net';
import { TunnelRelay, type TunnelStream } from '@ambientmesh/hbone';
import { afterAll, expect, test, vi } from 'vitest';
import {
  dialSocket,
  dialTunnelClient,
  listenSockets,
  listenTunnelServer,
  openDescriptors,
} from '../testing/loopback.ts';
import { createTestEngine } from '../testing/test-engine.ts';

const engine = createTestEngine();
const undos: (() => void)[] = [];
const cleanup = (undo: () => void): void => {
  undos.push(undo);
};

afterAll(async () => {
  await new Promise(setImmediate);
  for (const undo of undos.toReversed()) undo();
});

const CASES = 1000;
const AT_ONCE = 50;
const MAX_WRITES = 5;
const MAX_WRITE_BYTES = 40_000;
/** What every application sends, from the start. */
const PATTERN = Buffer.alloc(MAX_WRITES * MAX_WRITE_BYTES);
for (let at = 0; at < PATTERN.length; at++) PATTERN[at] = (at * 31 + (at >> 8) * 7) & 0xff;

const seed = Date.now() % 1_000_000_007;

type Next = (below: number) => number;

/** Park-Miller. */
function random(start: number): Next {
  let state = (start % 2_147_483_646) + 1;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}

const ignore = (): void => {};

/** Patient: a thousand sockets beside whatever else the machine does. */
async function until(condition: () => boolean): Promise<void> {
  await vi.waitUntil(condition, { interval: 1, timeout: 15_000 });
}

/** Makes pairs of connected sockets. */
async function pairMaker(): Promise<() => Promise<[near: Socket, far: Socket]>> {
  const accepted = new Map<number, Socket>();
  const port = await listenSockets((socket) => void accepted.set(socket.remotePort!, socket), cleanup);
  return async () => {
    const near = await dialSocket(port, ignore);
    const key = near.localPort!;
    await until(() => accepted.has(key));
    const far = accepted.get(key)!;
    // Ports come again.
    accepted.delete(key);
    return [near, far];
  };
}

/** One application and what it has seen. */
class Application {
  readonly socket: Socket;
  sent = 0;
  received: Buffer[] = [];
  /** It did more than send and end. */
  rude = false;
  sawEnd = false;
  closed = false;
  #writes = 0;
  #ended = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.received.push(chunk));
    socket.pause();
    socket.on('end', () => {
      this.sawEnd = true;
    });
    socket.on('close', () => {
      this.closed = true;
    });
  }

  act(next: Next): void {
    const { socket } = this;
    const action = next(9);
    if (socket.destroyed) return;
    if (action <= 1) {
      this.rude = true;
      // With a shutdown under way libuv refuses (EINVAL), and the socket never closes.
      if (action === 0 && !this.#ended) socket.resetAndDestroy();
      else socket.destroy();
    } else if (action === 2) this.end();
    else if (action === 3) socket.resume();
    else if (action === 4) socket.pause();
    else if (!this.#ended && this.#writes < MAX_WRITES) {
      this.#writes += 1;
      const bytes = 1 + next(MAX_WRITE_BYTES);
      socket.write(PATTERN.subarray(this.sent, this.sent + bytes));
      this.sent += bytes;
    }
  }

  end(): void {
    if (this.#ended || this.socket.destroyed) return;
    this.#ended = true;
    this.socket.end();
  }
}

/** Two applications with a tunnel between them. */
class Case {
  readonly applications: readonly [client: Application, server: Application];
  readonly relays: TunnelRelay[] = [];
  readonly finished: number[] = [];
  aborted = false;
  /** The request was not answered. */
  failed = false;

  constructor(client: Socket, server: Socket) {
    this.applications = [new Application(client), new Application(server)];
  }

  join(stream: TunnelStream, socket: Socket, first: 'stream' | 'plain'): void {
    const index = this.relays.length;
    this.finished.push(0);
    const finished = (): void => {
      this.finished[index]! += 1;
    };
    const observer = { fromFirst: ignore, fromSecond: ignore, finished };
    this.relays.push(new TunnelRelay({ stream, plain: engine.adopt(socket), first, observer }));
  }

  async play(next: Next): Promise<void> {
    for (let actions = next(3 * MAX_WRITES); actions >= 0; actions--) {
      for (let turns = next(4); turns > 0; turns--) await new Promise(setImmediate);
      const relay = next(100) === 0 ? this.relays[next(2)] : undefined;
      if (relay === undefined) this.applications[next(2)]!.act(next);
      else {
        this.aborted = true;
        relay.abort();
      }
    }
    for (const application of this.applications) {
      application.end();
      application.socket.resume();
    }
  }

  /** What is wrong once all has ended. */
  problems(): string[] {
    const [client, server] = this.applications;
    const rude = client.rude || server.rude || this.aborted;
    const problems = this.failed ? ['the request failed'] : [];
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      const received = Buffer.concat(to.received);
      const { length } = received;
      if (length > from.sent || !received.equals(PATTERN.subarray(0, length))) problems.push('wrong bytes');
      if (!rude && (!to.sawEnd || length < from.sent)) problems.push(`${length} of ${from.sent}, end ${to.sawEnd}`);
    }
    if (this.finished.some((count) => count > 1 || (count === 0 && !this.aborted)))
      problems.push(`finished ${this.finished.join()} times`);
    return problems;
  }
}

test(`${CASES} random interleavings of writes, ends, resets and aborts, seed ${seed}`, async () => {
  const next = random(seed);
  const pair = await pairMaker();
  const cases: { readonly one: Case; readonly serverSide: Socket }[] = [];
  const streams: TunnelStream[] = [];
  const port = await listenTunnelServer(
    engine,
    {
      request: (stream, { authority }) => {
        const { one, serverSide } = cases[Number(authority.split(':')[1])]!;
        streams.push(stream);
        stream.respond(200, [], { last: false });
        one.join(stream, serverSide, 'stream');
      },
      closed: ignore,
    },
    cleanup,
  );
  const connection = await dialTunnelClient(engine, port, cleanup);
  const before = openDescriptors();

  const run = async (): Promise<Case> => {
    const [[client, clientSide], [server, serverSide]] = await Promise.all([pair(), pair()]);
    const one = new Case(client, server);
    const fields = [
      [':method', 'CONNECT'],
      [':authority', `10.0.0.1:${cases.push({ one, serverSide }) - 1}`],
    ] as const;
    connection.open(fields, {
      response: (stream) => {
        streams.push(stream);
        one.join(stream, clientSide, 'plain');
      },
      failed: () => {
        one.failed = true;
      },
    });
    await until(() => one.failed || one.relays.length === 2);
    await one.play(next);
    return one;
  };

  for (let done = 0; done < CASES; done += AT_ONCE) {
    const batch = await Promise.all(Array.from({ length: AT_ONCE }, run));
    const ended = (): boolean =>
      batch.every(({ applications }) => applications.every(({ closed }) => closed)) && connection.streamCount === 0;
    await until(ended);
    await until(() => batch.every(({ aborted, finished }) => aborted || finished.every((count) => count > 0)));
    expect(batch.flatMap((one) => one.problems())).toEqual([]);
  }
  await until(() => openDescriptors() === before);
  expect([connection.streamCount, streams.length]).toEqual([0, 2 * CASES]);
  expect(streams.filter((stream) => !stream.gone && !(stream.localEnded && stream.remoteEnded))).toEqual([]);
}, 40_000);
