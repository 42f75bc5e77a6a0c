/** Slow readers by the hundred: what they have not read is bounded, and the others do not wait for them. */
import { memoryUsage } from 'node:process';
import type { Plain } from '@ambientmesh/hbone';
import { QUEUE_LIMIT_BYTES } from '@ambientmesh/hbone/engine';
import { expect, test } from 'vitest';
import { PatternedEnd } from './patterned-end.ts';
import { Pump, ReactorSide, tlsOf } from './side.ts';

/** Of a machine that does much else. */
const PATIENCE = { timeout: 120_000 };

const READERS = 200;
const CHUNK_BYTES = 65_536;
const SLAB_BYTES = 16_384;
/** For a connection: what it may queue, what was sent when there was room for one octet, and what records add. */
const MOST_SLABS_EACH = Math.ceil(((QUEUE_LIMIT_BYTES + CHUNK_BYTES) * 1.01) / SLAB_BYTES) + 2;
const MOST_TURNS = 60_000;
const TRICKLE_TURNS = 100;
const FAST_BYTES = 5_000_000;
const MEBIBYTE = 1_048_576;

type Pair = readonly [sender: PatternedEnd, reader: PatternedEnd];

class Readers {
  readonly side = new ReactorSide({ socketBufferBytes: 65_536 });
  readonly pump = new Pump([this.side]);
  readonly #tls = { client: tlsOf(this.side.engine, 'client'), server: tlsOf(this.side.engine, 'server') };
  readonly #accepted: Plain[] = [];
  #port = 0;
  #numbers = 0;

  async open(): Promise<void> {
    this.#port = await this.side.listen((plain) => this.#accepted.push(plain));
  }

  async pair(): Promise<Pair> {
    const dialled = await this.pump.wait(this.side.dial(this.#port), 'connected');
    await this.pump.until(() => this.#accepted.length > 0, 'accepted');
    const number = this.#numbers;
    this.#numbers += 2;
    const pair = [new PatternedEnd(number, number + 1), new PatternedEnd(number + 1, number)] as const;
    pair[1].secure = this.side.engine.secureClient(dialled, this.#tls.client, pair[1]);
    pair[0].secure = this.side.engine.secureServer(this.#accepted.shift()!, this.#tls.server, pair[0]);
    await this.pump.until(() => pair.every(({ events }) => events.length > 0), 'the handshake');
    return pair;
  }

  sendTo(pairs: readonly Pair[]): void {
    for (const [sender] of pairs) if (sender.secure!.room > 0) sender.send(CHUNK_BYTES);
  }
}

test(`${READERS} readers that stop, then trickle, then go on`, PATIENCE, async () => {
  const readers = new Readers();
  await readers.open();
  const { engine } = readers.side;
  const slow: Pair[] = [];
  for (let count = 0; count < READERS; count++) slow.push(await readers.pair());
  const fast = await readers.pair();
  for (const [, reader] of slow) reader.secure!.pause();
  let turns = 0;
  const isFull = (): boolean => slow.every(([sender]) => sender.secure!.room <= 0);
  await readers.pump.until(() => {
    readers.sendTo(slow);
    return isFull() || engine.holdings.slabs >= READERS * MOST_SLABS_EACH;
  }, 'all are full');
  const most = READERS * MOST_SLABS_EACH;
  expect(engine.holdings.slabs).toBeLessThanOrEqual(most);
  const resident = memoryUsage.rss();
  // The others go on, in few turns: nobody waits for those that do not read.
  const before = fast[1].received;
  for (; fast[1].received < before + FAST_BYTES && turns < MOST_TURNS; turns++) {
    readers.sendTo([fast]);
    readers.sendTo(slow);
    await readers.pump.turn();
  }
  expect(fast[1].received - before).toBeGreaterThanOrEqual(FAST_BYTES);
  expect(engine.holdings.slabs).toBeLessThanOrEqual(most + MOST_SLABS_EACH);
  // A little at a time.
  for (let turn = 0; turn < TRICKLE_TURNS; turn++) {
    const [, reader] = slow[turn % READERS]!;
    reader.secure!.resume();
    await readers.pump.turn();
    reader.secure!.pause();
    readers.sendTo(slow);
    expect(engine.holdings.slabs).toBeLessThanOrEqual(most + MOST_SLABS_EACH);
  }
  // All slabs were in use before: the rest is garbage that is to be collected.
  expect(memoryUsage.rss() - resident).toBeLessThan(100 * MEBIBYTE);
  for (const [, reader] of slow) reader.secure!.resume();
  const isComplete = ([sender, reader]: Pair): boolean => reader.received === sender.sent;
  const received = (): number => slow.reduce((sum, [, reader]) => sum + reader.received, 0);
  await readers.pump.until(() => [...slow, fast].every(isComplete), 'all bytes', received);
  expect([...slow, fast].flat().filter(({ wrong, failure }) => wrong || failure !== undefined)).toEqual([]);
  expect(engine.holdings.slabs).toBe(0);
  for (const end of [...slow, fast].flat()) end.secure!.abort();
  readers.side.deafen();
  await readers.pump.until(() => Object.values(engine.holdings).every((count) => count === 0), 'all given back');
  readers.side.close();
});
