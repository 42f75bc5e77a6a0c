/** Back-pressure, fairness and small windows of relays, with real sockets on both sides. */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { http2Server } from '../testing/http2-peer.ts';
import { dialSocket, listenSockets } from '../testing/loopback.ts';
import { forwardTo, type Outcome, serveTo } from '../testing/relayed.ts';
import { createTestEngine } from '../testing/test-engine.ts';

const engine = createTestEngine();
const undos: (() => void)[] = [];
const cleanup = (undo: () => void): void => {
  undos.push(undo);
};
const scope = { engine, cleanup };

afterEach(async () => {
  await new Promise(setImmediate);
  for (const undo of undos.splice(0).toReversed()) undo();
});

const MEBIBYTE = 1_048_576;
const KIBIBYTE = 1024;

async function until(condition: () => boolean, timeout = 5000): Promise<void> {
  await vi.waitUntil(condition, { interval: 2, timeout });
}

function middle(values: number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)]!;
}

/** The third figure of a kernel setting: the most. */
function most(name: string): number {
  return Number(readFileSync(`/proc/sys/net/ipv4/${name}`, 'utf8').trim().split(/\s+/).at(-1));
}

/** The largest buffers that the kernel gives the two sockets of a loopback connection. */
function kernelBytes(): number {
  return most('tcp_rmem') + most('tcp_wmem');
}

/** Writes a pattern without end, as fast as the socket takes it. */
class Flood {
  taken = 0;
  #offered = 0;
  #stopped = false;
  readonly #socket: Socket;
  static readonly chunk = Buffer.alloc(64 * KIBIBYTE, 'abcdefgh');

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#write();
  }

  stop(): void {
    this.#stopped = true;
  }

  #write(): void {
    this.#offered += Flood.chunk.length;
    this.#socket.write(Flood.chunk, (error) => {
      // A socket that is gone fails every write at once: nothing else would have its turn any more.
      if (error !== undefined && error !== null) return;
      this.taken = this.#offered;
      if (this.#stopped) this.#socket.end();
      else this.#write();
    });
  }
}

/** Waits until `count` stands still. */
async function standstill(count: () => number): Promise<number> {
  let last = -1;
  let since = 0;
  await until(() => {
    const now = performance.now();
    if (count() !== last) {
      last = count();
      since = now;
    }
    return now - since > 150;
  }, 20_000);
  return last;
}

/** Whether every octet is where the flood put it; takes chunks in order. */
function patternChecker(): (chunk: Buffer) => boolean {
  let at = 0;
  return (chunk) => {
    const expected = Flood.chunk.subarray(at % 8);
    at += chunk.length;
    return chunk.equals(Buffer.alloc(chunk.length, expected.subarray(0, 8)));
  };
}

test.each(['up', 'down'] as const)(
  'a reader that stalls stops the writer at the other end (%s), within windows and kernel buffers',
  async (direction) => {
    const streamWindowBytes = 256 * KIBIBYTE;
    const options = { codec: { streamWindowBytes } };
    const servers: Socket[] = [];
    const app = await listenSockets((socket) => void servers.push(socket), cleanup);
    const port = await forwardTo(scope, await serveTo(scope, app, options), options);
    const client = await dialSocket(port, cleanup);
    await until(() => servers.length === 1);
    const [writer, reader] = direction === 'up' ? [client, servers[0]!] : [servers[0]!, client];
    const before = process.memoryUsage();
    const flood = new Flood(writer);
    const taken = await standstill(() => flood.taken);
    const after = process.memoryUsage();
    expect(taken).toBeGreaterThan(streamWindowBytes);
    // Two loopback connections carry it besides the tunnel, which takes no more than the stream's window.
    expect(taken).toBeLessThan(2 * kernelBytes() + streamWindowBytes + 2 * Flood.chunk.length);
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(8 * MEBIBYTE);
    // It goes on where it stopped.
    const isPattern = patternChecker();
    let received = 0;
    let wrong = 0;
    reader.on('data', (chunk: Buffer) => {
      received += chunk.length;
      if (!isPattern(chunk)) wrong += 1;
    });
    let ended = false;
    reader.on('end', () => {
      ended = true;
    });
    reader.resume();
    await until(() => received > taken + MEBIBYTE);
    flood.stop();
    await until(() => ended);
    expect([wrong, received]).toEqual([0, flood.taken]);
  },
);

test('1 greedy stream and 50 that ask and wait: nobody waits for more than a queue of the greedy one', async () => {
  const ASKERS = 50;
  const ROUNDS = 10;
  const outcomes: Outcome[] = [];
  const app = await listenSockets((socket) => {
    // The first octet says what the client is: `g` for the one that only sends.
    socket.once('data', (chunk: Buffer) => {
      if (chunk[0] !== 'g'.charCodeAt(0)) {
        socket.write(chunk);
        socket.pipe(socket);
      }
    });
    socket.resume();
  }, cleanup);
  const port = await forwardTo(scope, await serveTo(scope, app), { outcomes });
  const greedy = await dialSocket(port, cleanup);
  greedy.write('g');
  await until(() => outcomes.length === 1);
  const flood = new Flood(greedy);
  await until(() => outcomes[0]!.sent > 4 * MEBIBYTE);
  const passed: number[] = [];
  const ask = async (): Promise<void> => {
    const socket = await dialSocket(port, cleanup);
    socket.resume();
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = outcomes[0]!.sent;
      await new Promise((resolve) => {
        socket.once('data', resolve);
        socket.write('?');
      });
      // The first round is also two dials and the request of the stream.
      if (round === 0) continue;
      passed.push(outcomes[0]!.sent - bytes);
    }
    socket.end();
  };
  await Promise.all(Array.from({ length: ASKERS }, ask));
  flood.stop();
  expect(passed.length).toBe(ASKERS * (ROUNDS - 1));
  // What lies before a request and its answer: the TLS queue, the tunnel's kernel buffers, a turn of each relay.
  expect(Math.max(...passed)).toBeLessThan(2 * kernelBytes());
  expect(middle(passed)).toBeLessThan(16 * MEBIBYTE);
}, 60_000);

test.each([3, 5, 7])(
  'a peer with windows of %i octets: all arrives, with one frame a window',
  async (window) => {
    const BYTES = 2000;
    let received = '';
    let chunks = 0;
    const { port } = await http2Server(
      (stream) => {
        stream.respond({ ':status': 200 });
        stream.on('data', (chunk: Buffer) => {
          received += chunk.toString('latin1');
          chunks += 1;
        });
        stream.on('end', () => stream.end());
      },
      cleanup,
      { initialWindowSize: window },
    );
    const outcomes: Outcome[] = [];
    const client = await dialSocket(await forwardTo(scope, port, { outcomes }), cleanup);
    const text = Array.from({ length: BYTES }, (_, index) => String.fromCodePoint(97 + (index % 26))).join('');
    // A round trip first, so that the peer's SETTINGS are known.
    await until(() => outcomes.length === 1);
    const cpu = process.cpuUsage();
    client.end(text);
    client.resume();
    await until(() => outcomes[0]!.ended, 20_000);
    const { user, system } = process.cpuUsage(cpu);
    expect(received).toBe(text);
    expect(outcomes[0]).toMatchObject({ sent: BYTES, received: 0 });
    expect(chunks).toBeLessThanOrEqual(BYTES);
    // Both ends run here; a spinning one would need the whole time of thousands of round trips.
    expect((user + system) / 1000 / BYTES).toBeLessThan(2);
  },
  30_000,
);
