import {
  type ClientConnection,
  END,
  type Plain,
  type ServerConnection,
  StreamPlain,
  type TunnelOptions,
} from '@ambientmesh/hbone';
import { afterEach, expect, test, vi } from 'vitest';
import { dialTunnelClient, listenTunnelServer } from '../testing/loopback.ts';
import { createTestEngine } from '../testing/test-engine.ts';

const engine = createTestEngine();
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

/** The user of a `Plain`: reads what comes unless told not to, and keeps account. */
class User {
  readonly plain: Plain;
  readonly chunks: Buffer[] = [];
  bytes = 0;
  written = 0;
  ended = false;
  failure = '';
  /** How much one `read` takes. */
  max = 100_000;
  /** Reading stops by itself beyond so many. */
  stopBytes = Number.POSITIVE_INFINITY;
  /** Inside a method of `plain`: nothing may call back. */
  inside = false;
  #reading = false;

  constructor(plain: Plain) {
    this.plain = plain;
    plain.handler = {
      readable: () => {
        this.#notInside();
        this.#readAll();
      },
      written: (bytes) => {
        this.#notInside();
        this.written += bytes;
      },
      failed: (failure) => {
        this.#notInside();
        this.failure = failure.code;
      },
    };
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString('latin1');
  }

  read(): void {
    this.#reading = true;
    this.#readAll();
  }

  stopReading(): void {
    this.#reading = false;
  }

  write(bytes: Uint8Array | string): void {
    const memory = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    this.call(() => this.plain.write(memory, 0, memory.length));
  }

  call(method: () => void): void {
    this.inside = true;
    method();
    this.inside = false;
  }

  #readAll(): void {
    while (this.#reading) {
      let bytes = 0;
      this.call(() => {
        bytes = this.plain.read(this.max, {
          bytes: (memory, start, end) => {
            this.bytes += end - start;
            this.chunks.push(Buffer.from(memory.subarray(start, end)));
          },
        });
      });
      if (bytes === END) this.ended = true;
      if (this.bytes > this.stopBytes) this.stopReading();
      if (bytes <= 0) return;
    }
  }

  #notInside(): void {
    if (this.inside) throw new Error('called back from inside a method');
  }
}

interface Pair {
  readonly near: User;
  readonly far: User;
  readonly client: ClientConnection;
  readonly server: ServerConnection;
}

/** A stream with a `StreamPlain` at each end. */
async function pair(options: TunnelOptions = {}): Promise<Pair> {
  const ends: { far?: User; server?: ServerConnection } = {};
  const port = await listenTunnelServer(
    engine,
    {
      request: (stream) => {
        stream.respond(200, [], { last: false });
        ends.far = new User(new StreamPlain(engine, stream, ends.server!.secure));
      },
      closed: () => {},
    },
    cleanup,
    { ...options, accepted: (connection) => void (ends.server = connection) },
  );
  const client = await dialTunnelClient(engine, port, cleanup, options);
  const near = await new Promise<User>((resolve, reject) => {
    client.open(
      [
        [':method', 'CONNECT'],
        [':authority', '127.0.0.1:80'],
      ],
      {
        response: (stream) => resolve(new User(new StreamPlain(engine, stream, client.secure))),
        failed: (failure) => reject(new Error(failure.kind)),
      },
    );
  });
  expect(near.plain.remote.port).toBe(port);
  return { near, far: ends.far!, client, server: ends.server! };
}

test('half-close each way, with data pending in the other direction', async () => {
  const { near, far, client, server } = await pair();
  near.read();
  far.read();
  near.write('question');
  near.call(() => near.plain.end());
  await until(() => far.ended);
  expect(far.text).toBe('question');
  far.write('answer');
  await until(() => near.text === 'answer');
  expect(near.ended).toBe(false);
  far.write(' and more');
  far.call(() => far.plain.end());
  await until(() => near.ended);
  expect([near.text, near.failure, far.failure]).toEqual(['answer and more', '', '']);
  expect([near.written, far.written]).toEqual([8, 15]);
  expect([client.streamCount, server.streamCount]).toEqual([0, 0]);
});

test('what a reader does not take stops the writer within a window; every byte arrives in the end', async () => {
  const streamWindowBytes = 65_536;
  const { near, far } = await pair({ codec: { streamWindowBytes } });
  const sent = Buffer.alloc(1_000_003);
  for (let at = 0; at < sent.length; at++) sent[at] = (at * 7) % 251;
  // In pieces of many sizes, also of one octet.
  for (let at = 0, step = 1; at < sent.length; at += step, step = (step * 5) % 40_009)
    near.write(sent.subarray(at, Math.min(at + step, sent.length)));
  near.call(() => near.plain.end());
  await until(() => near.written === streamWindowBytes);
  expect(near.plain.queued).toBe(sent.length - streamWindowBytes);
  far.max = 10_007;
  far.stopBytes = 300_000;
  far.read();
  await until(() => far.bytes > 300_000);
  expect(near.plain.queued).toBeGreaterThan(0);
  far.stopBytes = Number.POSITIVE_INFINITY;
  far.read();
  await until(() => far.ended);
  expect(Buffer.concat(far.chunks).equals(sent)).toBe(true);
  expect([near.written, near.plain.queued]).toEqual([sent.length, 0]);
});

test('a reset is one for the other end; unread and unsent bytes are dropped', async () => {
  const { near, far, client, server } = await pair();
  near.write('never read');
  await until(() => near.written > 0);
  near.call(() => near.plain.reset());
  await until(() => far.failure !== '');
  expect([far.failure, far.text, client.streamCount, server.streamCount]).toEqual(['ECONNRESET', '', 0, 0]);
  far.read();
  expect([far.text, far.ended]).toEqual(['', false]);
});

test('close is the end; the other side reads everything, and its writes fail', async () => {
  const { near, far, client, server } = await pair();
  near.write('last words');
  near.call(() => near.plain.close());
  await until(() => server.streamCount === 0);
  expect([client.streamCount, far.failure]).toEqual([0, '']);
  far.max = 4;
  far.read();
  expect([far.text, far.ended, far.failure]).toEqual(['last words', true, '']);
  far.write('too late');
  await until(() => far.failure !== '');
  expect(far.failure).toBe('EPIPE');
});

test('close with bytes left unread is a reset', async () => {
  const { near, far } = await pair();
  far.write('unread');
  near.read();
  await until(() => near.bytes > 0);
  near.stopReading();
  let arrived = false;
  near.plain.handler = { ...near.plain.handler, readable: () => (arrived = true) };
  far.write('unread too');
  far.read();
  await until(() => arrived && far.written === 16);
  near.plain.close();
  await until(() => far.failure !== '');
  expect([far.failure, far.ended]).toEqual(['ECONNRESET', false]);
});

test.each([0, 4])('close inside of `readable`, when %i of 6 octets were read, is a reset', async (max) => {
  const { near, far } = await pair();
  near.read();
  near.stopReading();
  far.read();
  near.plain.handler = {
    ...near.plain.handler,
    readable: () => {
      if (max > 0) near.plain.read(max, { bytes: () => {} });
      near.plain.close();
    },
  };
  expect(near.plain.read(1, { bytes: () => {} })).toBe(0);
  far.write('unread');
  await until(() => far.failure !== '' || far.ended);
  expect([far.failure, far.ended]).toEqual(['ECONNRESET', false]);
});

test('close waits for the window; a reset after it does not', async () => {
  const { near, far, client } = await pair({ codec: { streamWindowBytes: 1000 } });
  near.write(Buffer.alloc(5000));
  near.plain.close();
  await until(() => near.plain.queued === 4000);
  expect(client.streamCount).toBe(1);
  near.plain.reset();
  expect(client.streamCount).toBe(0);
  await until(() => far.failure === 'ECONNRESET');
});

test('the connection goes: both ends fail; what had ended is read to its end', async () => {
  const first = await pair();
  first.server.abort();
  await until(() => first.near.failure !== '');
  expect([first.near.failure, first.far.failure]).toEqual(['ECONNRESET', 'ABORTED']);
  const second = await pair();
  second.near.write('all');
  second.near.plain.end();
  await until(() => second.server.streamCount === 1 && second.near.written === 3);
  second.client.close();
  second.far.read();
  await until(() => second.far.ended);
  second.client.abort();
  await until(() => second.server.streamCount === 0);
  expect([second.far.text, second.far.failure]).toEqual(['all', '']);
});

test('after the end nothing calls back and nothing throws', async () => {
  const { near, far } = await pair();
  near.plain.reset();
  near.write('x');
  near.plain.end();
  near.plain.close();
  near.plain.reset();
  near.read();
  await until(() => far.failure !== '');
  far.write('x');
  far.plain.end();
  far.plain.reset();
  await new Promise(setImmediate);
  expect([near.failure, near.written, near.plain.queued, far.plain.queued]).toEqual(['', 0, 0, 0]);
});
