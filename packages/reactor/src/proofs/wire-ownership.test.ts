/** All connections of a thread write their records into one memory: each gets its own, whatever the order of their calls. */
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { NOTHING, type Tunnel, TunnelRig } from '../testing/tunnel-rig.ts';
import { PatternedEnd } from './patterned-end.ts';
import { freshSeed, Random } from './random.ts';

/** Of a machine that does much else. */
const PATIENCE = { timeout: 120_000 };

/** Of `send`: full records at once, and nothing that is gathered. */
const FULL_RECORDS_BYTES = 3 * 16_384;
const TURNS = { own: 3000, openssl: 1000 } as const;
const CONNECTIONS = 12;
const MOST_MOVES = 6;
const MOST_QUEUED_BYTES = 1_000_000;
const RECORDS_PER_KEY = 5;

const seed = freshSeed();

function digestOf(bytes: Uint8Array): string {
  return `${bytes.length} ${createHash('sha256').update(bytes).digest('hex')}`;
}

function hasAll({ serverLog }: Tunnel): boolean {
  return serverLog.received >= FULL_RECORDS_BYTES || serverLog.has('failed');
}

test('two connections write full records in the same turn', PATIENCE, async () => {
  await using rig = new TunnelRig();
  const [client, server] = [rig.tls('spiffe://a/ns/b/sa/c'), rig.tls('spiffe://a/ns/b/sa/s')];
  const all: readonly Tunnel[] = [await rig.begin(client, server), await rig.begin(client, server)];
  await rig.established(all);
  const texts = all.map((_, index) => Buffer.alloc(FULL_RECORDS_BYTES, index + 1));
  rig.engine.atEndOfTurn(() => {
    for (const [index, one] of all.entries()) one.client.send(texts[index]!, 0, FULL_RECORDS_BYTES);
  });
  await rig.until(() => all.every(hasAll), 'all bytes');
  expect(all.map(({ serverLog }) => serverLog.digest)).toEqual(texts.map(digestOf));
  for (const one of all) for (const secure of [one.client, one.server]) secure.abort();
  expect(await rig.empty()).toEqual(NOTHING);
  rig.stop();
});

/** Two ends that are to be, or were, connected. */
type Pair = readonly [client: PatternedEnd, server: PatternedEnd];

/** What both ends still have was received to the last octet. */
function settled(pair: Pair): boolean {
  return (
    pair.some(({ over }) => over) ||
    (pair[0].received === pair[1].sent && pair[1].received === pair[0].sent && pair[0].events.length > 0)
  );
}

/** Connections of one thread that do as they like. */
class Crowd {
  readonly rig: TunnelRig;
  readonly all: Pair[] = [];
  readonly #tls;
  readonly #random = new Random(seed);
  #live: Pair[] = [];

  constructor(records: 'own' | 'openssl') {
    this.rig = new TunnelRig({ recordsPerKey: RECORDS_PER_KEY, records });
    this.#tls = { client: this.rig.tls('spiffe://a/ns/b/sa/c'), server: this.rig.tls('spiffe://a/ns/b/sa/s') };
  }

  async refill(): Promise<void> {
    this.#live = this.#live.filter(([client, server]) => !client.left || !server.left);
    while (this.#live.length < CONNECTIONS) {
      const number = this.all.length * 2;
      const pair: Pair = [new PatternedEnd(number, number + 1), new PatternedEnd(number + 1, number)];
      const [dialled, accepted] = await this.rig.pair();
      pair[0].secure = this.rig.engine.secureClient(dialled, this.#tls.client, pair[0]);
      pair[1].secure = this.rig.engine.secureServer(accepted, this.#tls.server, pair[1]);
      this.all.push(pair);
      this.#live.push(pair);
    }
  }

  /** To be called in a turn: many connections write in the same one. */
  move(): void {
    for (let moves = this.#random.below(MOST_MOVES); moves >= 0; moves--) {
      const end = this.#live[this.#random.below(this.#live.length)]![this.#random.below(2)]!;
      this.#moveOne(end);
    }
  }

  leave(): void {
    for (const pair of this.all) for (const end of pair) end.secure?.abort();
  }

  #moveOne(end: PatternedEnd): void {
    const { secure } = end;
    const kind = this.#random.below(40);
    if (secure === undefined) return;
    if (kind === 0 || kind === 1) {
      end.left = true;
      if (kind === 0) secure.abort();
      else secure.close();
    } else if (kind < 5) secure.pause();
    else if (kind < 12) secure.resume();
    else if (!end.over && secure.room > MOST_QUEUED_BYTES / 2) {
      const records = 1 + this.#random.below(8);
      end.send(this.#random.below(2) === 0 ? records * 16_384 : this.#random.size());
    }
  }
}

test.each(['own', 'openssl'] as const)(
  `many connections write, close and are cut in the same turns, records %s (seed ${seed})`,
  PATIENCE,
  async (records) => {
    const crowd = new Crowd(records);
    await using rig = crowd.rig;
    for (let turn = 0; turn < TURNS[records]; turn++) {
      await crowd.refill();
      rig.engine.atEndOfTurn(() => crowd.move());
      await rig.turn();
    }
    for (const pair of crowd.all) for (const end of pair) end.secure?.resume();
    const ends = crowd.all.flat();
    await rig.until(() => crowd.all.every(settled), 'all bytes');
    expect(ends.filter(({ wrong }) => wrong)).toEqual([]);
    const unexplained = crowd.all.filter(
      (pair) => pair.some(({ failure }) => failure !== undefined) && !pair.some(({ left }) => left),
    );
    expect(unexplained.map((pair) => pair.map(({ failure }) => failure))).toEqual([]);
    expect(ends.filter(({ failure }) => /bad record mac|BadRecordMac/.test(failure?.message ?? ''))).toEqual([]);
    expect(ends.reduce((sum, { received }) => sum + received, 0)).toBeGreaterThan(1_000_000);
    crowd.leave();
    expect(await rig.empty()).toEqual(NOTHING);
    rig.stop();
  },
);

test.each(['client', 'server'] as const)('the `verify` of a %s writes to another connection', async (role) => {
  await using rig = new TunnelRig();
  const tls = { client: rig.tls('spiffe://a/ns/b/sa/c'), server: rig.tls('spiffe://a/ns/b/sa/s') };
  const other = await rig.begin(tls.client, tls.server);
  await rig.established([other]);
  const chunk = Buffer.alloc(FULL_RECORDS_BYTES, 7);
  const verify = (): undefined => {
    other.client.send(chunk, 0, chunk.length);
  };
  const tunnel = await rig.begin(
    role === 'client' ? { ...tls.client, verify } : tls.client,
    role === 'server' ? { ...tls.server, verify } : tls.server,
  );
  await rig.established([tunnel]);
  await rig.until(() => other.serverLog.received === chunk.length, 'what was written');
  expect(other.serverLog.failure).toBeUndefined();
  for (const { client, server } of [other, tunnel]) for (const secure of [client, server]) secure.abort();
  expect(await rig.empty()).toEqual(NOTHING);
  rig.stop();
});
