/** Slabs are used up: who needs more fails with words, the others go on, accepting pauses, and all is well again. */
import type { Plain } from '@ambientmesh/hbone';
import { expect, test } from 'vitest';
import { PatternedEnd } from './patterned-end.ts';
import { Pump, ReactorSide, tlsOf } from './side.ts';

/** Of a machine that does much else. */
const PATIENCE = { timeout: 120_000 };

const SLABS = 64;
const SLAB_BYTES = 16_384;
/** More than the kernel takes of a connection whose peer does not read, and all slabs. */
const TOO_MUCH_BYTES = 20_000_000;
/** More are not written, whatever the kernel takes. */
const MOST_TURNS = 10_000;
/** Of all, those that stay for who needs few. */
const SPARE_SLABS = 4;
const CHUNK_BYTES = 65_536;
const ROUND_TRIPS = 200;

interface Pair {
  readonly near: PatternedEnd;
  readonly far: PatternedEnd;
}

class Scarce {
  readonly side = new ReactorSide({ slabBytes: SLABS * SLAB_BYTES });
  readonly pump = new Pump([this.side]);
  readonly #tls = { client: tlsOf(this.side.engine, 'client'), server: tlsOf(this.side.engine, 'server') };
  readonly #accepted: Plain[] = [];
  #port = 0;
  #pairs = 0;

  async open(): Promise<void> {
    this.#port = await this.side.listen((plain) => this.#accepted.push(plain));
  }

  get waiting(): number {
    return this.#accepted.length;
  }

  async plainPair(): Promise<readonly [Plain, Plain]> {
    const dialled = await this.pump.wait(this.side.dial(this.#port), 'connected');
    await this.pump.until(() => this.#accepted.length > 0, 'accepted');
    return [dialled, this.#accepted.shift()!];
  }

  async dialOnly(): Promise<Plain> {
    return this.pump.wait(this.side.dial(this.#port), 'connected');
  }

  takeAccepted(): Plain {
    return this.#accepted.shift()!;
  }

  async tlsPair(): Promise<Pair> {
    const [dialled, accepted] = await this.plainPair();
    const number = 2 * this.#pairs++;
    const pair = { near: new PatternedEnd(number, number + 1), far: new PatternedEnd(number + 1, number) };
    pair.near.secure = this.side.engine.secureClient(dialled, this.#tls.client, pair.near);
    pair.far.secure = this.side.engine.secureServer(accepted, this.#tls.server, pair.far);
    await this.pump.until(() => pair.near.events.length + pair.far.events.length === 2, 'the handshake');
    return pair;
  }

  /** Answers that still come both ways. */
  async proveAlive({ near, far }: Pair): Promise<void> {
    for (let trip = 0; trip < ROUND_TRIPS; trip++) {
      near.send(100);
      far.send(100);
      await this.pump.until(() => near.received === far.sent && far.received === near.sent, 'an answer');
    }
    if (near.wrong || far.wrong) throw new Error('wrong bytes');
  }

  async end(): Promise<void> {
    const { engine } = this.side;
    this.side.deafen();
    await this.pump.until(() => Object.values(engine.holdings).every((count) => count === 0), 'all given back');
    this.side.close();
  }
}

test('a socket that is written without end fails, and no other', PATIENCE, async () => {
  const scarce = new Scarce();
  await scarce.open();
  const neighbour = await scarce.tlsPair();
  const [hog, silent] = await scarce.plainPair();
  const failures: string[] = [];
  hog.handler = {
    readable: () => {},
    written: () => {},
    failed: ({ code, message }) => failures.push(`${code} ${message}`),
  };
  const chunk = Buffer.alloc(CHUNK_BYTES);
  for (let bytes = 0; bytes < TOO_MUCH_BYTES && failures.length === 0; bytes += CHUNK_BYTES) {
    hog.write(chunk, 0, CHUNK_BYTES);
    await scarce.pump.turn();
  }
  expect(failures).toEqual(['ENOBUFS No buffer space available (os error 105)']);
  expect(scarce.side.engine.holdings.slabs).toBe(0);
  await scarce.proveAlive(neighbour);
  silent.reset();
  neighbour.near.secure!.abort();
  neighbour.far.secure!.abort();
  await scarce.end();
});

test('TLS that is written without end fails, others go on, and accepting rests meanwhile', PATIENCE, async () => {
  const scarce = new Scarce();
  await scarce.open();
  const neighbour = await scarce.tlsPair();
  const hog = await scarce.tlsPair();
  hog.far.secure!.pause();
  const { engine } = scarce.side;
  for (let turns = 0; engine.holdings.slabs < SLABS - SPARE_SLABS && turns < MOST_TURNS; turns++) {
    hog.near.send(CHUNK_BYTES / 4);
    await scarce.pump.turn();
  }
  expect(engine.holdings.slabs).toBe(SLABS - SPARE_SLABS);
  const late = await scarce.dialOnly();
  await scarce.pump.until(() => scarce.side.failures.length > 0, 'the listener says so');
  expect(scarce.side.failures).toEqual([
    expect.stringMatching(/^\d+ of 64 slabs for unsent bytes are taken \(slow readers\?\)$/),
  ]);
  expect(scarce.waiting).toBe(0);
  await scarce.proveAlive(neighbour);
  for (let turns = 0; hog.near.failure === undefined && turns < MOST_TURNS; turns++) {
    hog.near.send(CHUNK_BYTES);
    await scarce.pump.turn();
  }
  expect(hog.near.failure).toEqual(
    expect.objectContaining({ code: 'ENOBUFS', message: 'No buffer space available (os error 105)' }),
  );
  await scarce.proveAlive(neighbour);
  // Accepting goes on by itself.
  await scarce.pump.until(() => scarce.waiting === 1, 'the one that waited');
  scarce.takeAccepted().reset();
  late.reset();
  expect(scarce.side.failures.length).toBe(1);
  expect(hog.far.wrong).toBe(false);
  const next = await scarce.tlsPair();
  await scarce.proveAlive(next);
  for (const { near, far } of [neighbour, hog, next]) for (const end of [near, far]) end.secure!.abort();
  await scarce.end();
});

test('with no slab left who sends by TLS fails, and says so; the others go on', PATIENCE, async () => {
  const scarce = new Scarce();
  await scarce.open();
  const pairs: Pair[] = [];
  for (let count = 0; count <= SPARE_SLABS; count++) pairs.push(await scarce.tlsPair());
  const [hog, silent] = await scarce.plainPair();
  hog.handler = { readable: () => {}, written: () => {}, failed: () => {} };
  const { engine } = scarce.side;
  const slab = Buffer.alloc(SLAB_BYTES);
  // What the kernel takes, takes no slab; then exactly those that one connection may have.
  for (let turns = 0; hog.queued === 0 && turns < MOST_TURNS; turns++) {
    hog.write(slab, 0, SLAB_BYTES);
    await scarce.pump.turn();
  }
  for (let writes = 0; engine.holdings.slabs < SLABS - SPARE_SLABS && writes < SLABS; writes++)
    hog.write(slab, 0, SLAB_BYTES);
  expect(engine.holdings.slabs).toBe(SLABS - SPARE_SLABS);
  engine.atEndOfTurn(() => {
    for (const { near } of pairs) near.send(10);
  });
  const last = pairs.at(-1)!;
  await scarce.pump.until(() => last.near.failure !== undefined, 'the refusal');
  expect(last.near.failure).toEqual({ code: 'ENOBUFS', message: 'No buffer space available (os error 105)' });
  for (const pair of pairs.slice(0, -1)) await scarce.proveAlive(pair);
  hog.reset();
  silent.reset();
  const other = await scarce.tlsPair();
  await scarce.proveAlive(other);
  for (const { near, far } of [...pairs, other]) for (const end of [near, far]) end.secure!.abort();
  await scarce.end();
});
