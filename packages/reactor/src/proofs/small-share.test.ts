/** Little memory, and readers by the hundred that stop: their senders stop as well, and nobody is cut. */
import { type ByteSink, type ClientStream, END, type Plain, PlainRelay, TunnelRelay } from '@ambientmesh/hbone';
import { expect, test } from 'vitest';
import { PatternedEnd } from './patterned-end.ts';
import { dialTunnels, Pump, ReactorSide, serveTunnels, tlsOf } from './side.ts';

/** Of a machine that does much else. */
const PATIENCE = { timeout: 120_000 };

const SLAB_BYTES = 16_384;
const SLABS = 1024;
const SPARE_SLABS = SLABS / 16;
const BUFFERS = { socketBufferBytes: 65_536 };
const SMALL = { slabBytes: SLABS * SLAB_BYTES, ...BUFFERS };
const READERS = 200;
const CHUNK_BYTES = 65_536;
const FAST_BYTES = 3_000_000;
/** Turns in which nothing moves any more. */
const IDLE_TURNS = 50;
const NOTHING = { readable: () => {}, written: () => {}, failed: () => {} };

/** Waits until `count` has been the same for long enough. */
async function untilStill(pump: Pump, count: () => number): Promise<void> {
  let [before, idle] = [-1, 0];
  const still = (): boolean => {
    idle = count() === before ? idle + 1 : 0;
    before = count();
    return idle > IDLE_TURNS;
  };
  await pump.until(still, 'all have stopped', count);
}

/** What an application reads once it does. */
class Reader implements ByteSink {
  received = 0;
  ended = false;
  failure: string | undefined;
  readonly #plain: Plain;

  constructor(plain: Plain) {
    this.#plain = plain;
    plain.handler = { ...NOTHING, failed: ({ code }) => (this.failure = code) };
  }

  bytes(_memory: Uint8Array, start: number, end: number): void {
    this.received += end - start;
  }

  /** From now on. */
  read(): void {
    const readable = (): void => {
      let bytes = this.#plain.read(CHUNK_BYTES, this);
      while (bytes > 0) bytes = this.#plain.read(CHUNK_BYTES, this);
      if (bytes === END) this.ended = true;
    };
    this.#plain.handler = { ...this.#plain.handler, readable };
    readable();
  }
}

test(`TLS: ${READERS} readers that stop leave each sender a share, and a quick one goes on`, PATIENCE, async () => {
  const side = new ReactorSide(SMALL);
  const { engine } = side;
  const pump = new Pump([side]);
  const accepted: Plain[] = [];
  const port = await side.listen((plain) => accepted.push(plain));
  const tls = tlsOf(engine, 'both');
  const pairs: (readonly [sender: PatternedEnd, reader: PatternedEnd])[] = [];
  for (let number = 0; number < 2 * (READERS + 1); number += 2) {
    const dialled = await pump.wait(side.dial(port), 'connected');
    await pump.until(() => accepted.length > 0, 'accepted');
    const pair = [new PatternedEnd(number, number + 1), new PatternedEnd(number + 1, number)] as const;
    pair[1].secure = engine.secureClient(dialled, tls, pair[1]);
    pair[0].secure = engine.secureServer(accepted.shift()!, tls, pair[0]);
    await pump.until(() => pair.every(({ events }) => events.length > 0), 'the handshake');
    pairs.push(pair);
  }
  const [quick, ...slow] = pairs;
  for (const [, reader] of slow) reader.secure!.pause();
  const send = (all: typeof pairs): void => {
    for (const [sender] of all) {
      const { room } = sender.secure!;
      if (room > 0) sender.send(Math.min(room, CHUNK_BYTES));
    }
  };
  const sent = (): number => slow.reduce((sum, [sender]) => sum + sender.sent, 0);
  let most = 0;
  await untilStill(pump, () => {
    send(slow);
    most = Math.max(most, engine.holdings.slabs);
    return sent();
  });
  const before = quick![1].received;
  await pump.until(() => {
    send(pairs);
    most = Math.max(most, engine.holdings.slabs);
    return quick![1].received > before + FAST_BYTES;
  }, 'the quick one goes on');
  expect(pairs.flat().flatMap(({ failure }) => failure ?? [])).toEqual([]);
  expect(most).toBeLessThan(SLABS);
  for (const [, reader] of slow) reader.secure!.resume();
  const received = (): number => slow.reduce((sum, [, reader]) => sum + reader.received, 0);
  // Each of them is told that it may go on.
  const first = slow.map(([sender]) => sender.sent);
  await pump.until(
    () => {
      send(slow);
      return slow.every(([sender, reader], index) => sender.sent > first[index]! && reader.received > first[index]!);
    },
    'all go on',
    received,
  );
  await pump.until(() => pairs.every(([sender, reader]) => reader.received === sender.sent), 'all bytes', received);
  expect(pairs.flat().map(({ wrong, failure }) => [wrong, failure])).toEqual(
    pairs.flat().map(() => [false, undefined]),
  );
  for (const end of pairs.flat()) end.secure!.abort();
  side.deafen();
  await pump.until(() => Object.values(engine.holdings).every((count) => count === 0), 'all given back');
  side.close();
});

test(`plain relays: ${READERS} applications that do not read stop whoever sends to them`, PATIENCE, async () => {
  const [side, peers] = [new ReactorSide(SMALL), new ReactorSide(BUFFERS)];
  const pump = new Pump([side, peers]);
  const [incoming, applications]: Plain[][] = [[], []];
  const entrance = await side.listen((plain) => incoming!.push(plain));
  const exit = await peers.listen((plain) => applications!.push(plain));
  const finished: (string | undefined)[] = [];
  const observer = {
    fromFirst: () => {},
    fromSecond: () => {},
    finished: (end?: { text: string }) => finished.push(end?.text),
  };
  const relays: PlainRelay[] = [];
  const senders: { readonly plain: Plain; sent: number }[] = [];
  const readers: Reader[] = [];
  for (let count = 0; count < READERS; count++) {
    const plain = await pump.wait(peers.dial(entrance), 'connected');
    plain.handler = NOTHING;
    const upstream = await pump.wait(side.dial(exit), 'connected upstream');
    await pump.until(() => incoming!.length > 0 && applications!.length > 0, 'accepted');
    relays.push(new PlainRelay(incoming!.shift()!, upstream, observer));
    senders.push({ plain, sent: 0 });
    readers.push(new Reader(applications!.shift()!));
  }
  const chunk = Buffer.alloc(CHUNK_BYTES);
  const sent = (): number => senders.reduce((sum, sender) => sum + sender.sent, 0);
  let most = 0;
  await untilStill(pump, () => {
    for (const sender of senders)
      if (sender.plain.queued === 0) {
        sender.plain.write(chunk, 0, CHUNK_BYTES);
        sender.sent += CHUNK_BYTES;
      }
    most = Math.max(most, side.engine.holdings.slabs);
    return sent();
  });
  expect([finished, readers.filter(({ failure }) => failure !== undefined)]).toEqual([[], []]);
  expect(most).toBeLessThan(SLABS);
  for (const { plain } of senders) plain.end();
  for (const reader of readers) reader.read();
  const received = (): number => readers.reduce((sum, reader) => sum + reader.received, 0);
  await pump.until(() => readers.every(({ ended }) => ended), 'the end of all', received);
  expect(received()).toBe(sent());
  for (const relay of relays) relay.abort();
  side.close();
  peers.close();
});

const WINDOW_BYTES = 65_536;
/** Besides its bytes a connection has the rest of the first and of the last slab. */
const SLABS_A_WINDOW = WINDOW_BYTES / SLAB_BYTES + 2;
const WINDOWS = Math.floor((SLABS - SPARE_SLABS) / SLABS_A_WINDOW);

test(`tunnels: ${WINDOWS} applications that do not read, whose windows fit: nobody is cut`, PATIENCE, async () => {
  const [side, peers] = [new ReactorSide(SMALL), new ReactorSide(BUFFERS)];
  const pump = new Pump([side, peers]);
  const applications: Plain[] = [];
  const exit = await peers.listen((plain) => applications.push(plain));
  const finished: (string | undefined)[] = [];
  const observer = {
    fromFirst: () => {},
    fromSecond: () => {},
    finished: (end?: { text: string }) => finished.push(end?.text),
  };
  const relays: TunnelRelay[] = [];
  const entrance = await serveTunnels(
    side,
    {
      request: (stream) => {
        stream.handler = { data: () => {}, ended: () => {}, writable: () => {}, failed: () => {} };
        side.connect(exit, {
          connected: (plain) => {
            stream.respond(200, [], { last: false });
            relays.push(new TunnelRelay({ stream, plain, first: 'stream', observer }));
          },
          failed: ({ message }) => finished.push(message),
        });
      },
      closed: () => {},
    },
    () => {},
    { codec: { streamWindowBytes: WINDOW_BYTES } },
  );
  const connection = await pump.wait(dialTunnels(peers, entrance), 'the tunnel');
  const senders: { readonly stream: ClientStream; sent: number }[] = [];
  for (let count = 0; count < WINDOWS; count++) {
    const fields = [
      [':method', 'CONNECT'],
      [':authority', 'application:1'],
    ] as const;
    connection.open(fields, {
      response: (stream) => void senders.push({ stream, sent: 0 }),
      failed: () => finished.push('refused'),
    });
    await pump.until(() => senders.length + finished.length === count + 1, 'an answer');
  }
  await pump.until(() => applications.length === WINDOWS, 'accepted');
  const readers = applications.map((plain) => new Reader(plain));
  const chunk = Buffer.alloc(CHUNK_BYTES);
  const sent = (): number => senders.reduce((sum, sender) => sum + sender.sent, 0);
  let most = 0;
  await untilStill(pump, () => {
    for (const sender of senders) {
      const bytes = Math.min(sender.stream.budget, CHUNK_BYTES);
      if (bytes === 0) continue;
      sender.stream.send(chunk, 0, bytes);
      sender.sent += bytes;
    }
    most = Math.max(most, side.engine.holdings.slabs);
    return sent();
  });
  // All windows are full, and so is the memory.
  expect(most).toBeGreaterThanOrEqual((WINDOWS * WINDOW_BYTES) / SLAB_BYTES);
  expect([finished, readers.filter(({ failure }) => failure !== undefined)]).toEqual([[], []]);
  for (const { stream } of senders) stream.end();
  for (const reader of readers) reader.read();
  const received = (): number => readers.reduce((sum, reader) => sum + reader.received, 0);
  await pump.until(() => readers.every(({ ended }) => ended), 'the end of all', received);
  expect(received()).toBe(sent());
  connection.abort();
  await pump.turn();
  for (const relay of relays) relay.abort();
  side.close();
  peers.close();
});
