import { createSocket } from 'node:dgram';
import { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { AnswerCache, MAX_CACHE_BYTES, MAX_CACHE_ENTRIES } from './answer-cache.ts';
import type { ForwardOutcome } from './forward-outcome.ts';
import { Forwarder, type ForwarderOptions, MAX_QUESTIONS_IN_FLIGHT } from './forwarder.ts';
import { DATAGRAMS_PER_TRY } from './name-server-attempt.ts';
import type { NameServerSockets } from './name-server-sockets.ts';
import { buildQuestion } from './question.ts';
import { TYPE_A } from './record-types.ts';
import { type NameServerAnswer, startNameServer } from './testing/name-server.ts';
import { recordAddress } from './wire-record.ts';

const sockets: NameServerSockets = {
  udp: (family) => createSocket(family === 4 ? 'udp4' : 'udp6'),
  tcp: () => new Socket(),
};
const SOA = {
  type: 'SOA',
  name: 'example',
  ttl: 55,
  data: { mname: 'ns.example', rname: 'admin.example', serial: 1, refresh: 2, retry: 3, expire: 4, minimum: 5 },
} as const;

function start(values: Partial<ForwarderOptions> & Pick<ForwarderOptions, 'servers'>) {
  const clock = { ms: 1000 };
  const forwarder = new Forwarder({ sockets, tryTimeoutMs: 5000, tries: 3, now: () => clock.ms, ...values });
  const ask = (name: string): Promise<ForwardOutcome> =>
    new Promise((resolve) => {
      const question = buildQuestion(name, TYPE_A);
      if (question === undefined) throw new Error(`${name} is no name`);
      forwarder.forward(question, resolve);
    });
  return { clock, forwarder, ask };
}

function broken(): never {
  throw new Error('EMFILE');
}

function outcomeOf(bytes: number): ForwardOutcome {
  return {
    kind: 'answer',
    rcode: 0,
    records: [{ owner: Buffer.alloc(0), rest: Buffer.alloc(bytes), ttlSeconds: 60 }],
    ageSeconds: 0,
    cacheSeconds: 60,
    reason: '',
  };
}

function zone(question: string): NameServerAnswer {
  switch (question) {
    case 'up.example A':
      return { answers: [{ type: 'A', name: 'up.example', ttl: 77, data: '203.0.113.7' }] };
    case 'now.example A':
      return { answers: [{ type: 'A', name: 'now.example', ttl: 0, data: '203.0.113.8' }] };
    case 'big.example A':
      return { truncated: true, answers: [{ type: 'A', name: 'big.example', ttl: 77, data: '203.0.113.9' }] };
    case 'empty.example A':
      return { authorities: [SOA] };
    case 'odd.example A':
      return {};
    case 'servfail.example A':
      return { rcode: 2 };
    case 'refused.example A':
      return { rcode: 5 };
    case 'drop.example A':
      return { silent: true };
    default:
      return { rcode: 3, authorities: [SOA] };
  }
}

test('an answer is remembered until its TTL, without regard to case, and grows older', async () => {
  await using server = await startNameServer(zone);
  const { ask, clock } = start({ servers: [server] });
  const first = await ask('Up.Example');
  expect(first).toMatchObject({ kind: 'answer', rcode: 0, ageSeconds: 0, cacheSeconds: 77 });
  expect(first.records.map(recordAddress)).toEqual(['203.0.113.7']);
  clock.ms += 19_900;
  expect(await ask('up.example')).toMatchObject({ kind: 'answer', ageSeconds: 19 });
  clock.ms += 57_000;
  expect(await ask('up.example')).toMatchObject({ ageSeconds: 76 });
  clock.ms += 100;
  expect(await ask('up.example')).toMatchObject({ ageSeconds: 0 });
  expect(server.asked).toMatchObject([
    { text: 'up.example A', protocol: 'udp', recursionDesired: true, hasEdns: false },
    { text: 'up.example A' },
  ]);
  expect(new Set(server.asked.map(({ peerPort }) => peerPort)).size).toBe(2);
});

test.each([
  { name: 'nx.example', kind: 'empty', rcode: 3, asked: 1 },
  { name: 'empty.example', kind: 'empty', rcode: 0, asked: 1 },
  { name: 'odd.example', kind: 'empty', rcode: 0, asked: 2 },
  { name: 'now.example', kind: 'answer', rcode: 0, asked: 2 },
  { name: 'servfail.example', kind: 'refused', rcode: 2, asked: 6 },
  { name: 'refused.example', kind: 'refused', rcode: 5, asked: 6 },
  { name: 'big.example', kind: 'answer', rcode: 0, asked: 2 },
])('$name asked twice: $kind, code $rcode, $asked queries', async ({ name, kind, rcode, asked }) => {
  await using server = await startNameServer(zone);
  const { ask } = start({ servers: [server] });
  for (let n = 0; n < 2; n++) expect(await ask(name)).toMatchObject({ kind, rcode });
  expect(server.asked).toHaveLength(asked);
});

test('that there is nothing is remembered for the negative TTL of the zone', async () => {
  await using server = await startNameServer(zone);
  const { ask, clock } = start({ servers: [server] });
  await ask('nx.example');
  clock.ms += 4999;
  await ask('nx.example');
  expect(server.asked).toHaveLength(1);
  clock.ms += 1;
  await ask('nx.example');
  expect(server.asked).toHaveLength(2);
});

test('silence: three tries of three datagrams', async () => {
  await using server = await startNameServer(zone);
  const { ask } = start({ servers: [server], tryTimeoutMs: 30 });
  expect(await ask('drop.example')).toMatchObject({ kind: 'timeout', rcode: 2 });
  expect(server.asked).toHaveLength(3 * DATAGRAMS_PER_TRY);
});

test('a truncated answer is fetched by TCP', async () => {
  await using server = await startNameServer(zone);
  const { ask } = start({ servers: [server] });
  expect((await ask('big.example')).records.map(recordAddress)).toEqual(['203.0.113.9']);
  expect(server.asked.map(({ protocol }) => protocol)).toEqual(['udp', 'tcp']);
});

test.each(['servfail', 'drop'])('a server that answers by %s gives way to the next', async (how) => {
  await using bad = await startNameServer(() => (how === 'drop' ? { silent: true } : { rcode: 2 }));
  await using good = await startNameServer(zone);
  const { ask } = start({ servers: [bad, good], tryTimeoutMs: how === 'drop' ? 300 : 5000 });
  expect(await ask('up.example')).toMatchObject({ kind: 'answer' });
  expect([bad.asked.length, good.asked.length]).toEqual([1, 1]);
});

test('nobody listens there: known at once', async () => {
  const server = await startNameServer(zone);
  await server[Symbol.asyncDispose]();
  const { ask } = start({ servers: [server] });
  expect(await ask('up.example')).toMatchObject({ kind: 'unreachable', rcode: 2 });
});

test('no name servers, and sockets that cannot be made', async () => {
  expect(await start({ servers: [] }).ask('up.example')).toMatchObject({ kind: 'unreachable' });
  const servers = [{ ip: '127.0.0.1', port: 1 }];
  const { ask } = start({ servers, sockets: { udp: broken, tcp: broken } });
  expect(await ask('up.example')).toMatchObject({ kind: 'unreachable', reason: 'Error: EMFILE' });
});

test('who asks what is being asked waits for the same answer', async () => {
  await using server = await startNameServer(zone);
  const { ask } = start({ servers: [server] });
  const outcomes = await Promise.all([ask('now.example'), ask('NOW.example'), ask('now.example')]);
  expect(outcomes.map(({ kind }) => kind)).toEqual(['answer', 'answer', 'answer']);
  expect(server.asked).toHaveLength(1);
});

test('not more than so many questions at a time, and none after close', async () => {
  await using server = await startNameServer(() => ({ silent: true }));
  const { ask, forwarder } = start({ servers: [server] });
  const ended: string[] = [];
  const pending = Array.from({ length: MAX_QUESTIONS_IN_FLIGHT }, (_, n) =>
    ask(`n${n}.example`).then(({ kind }) => ended.push(kind)),
  );
  expect(await ask('one.more')).toMatchObject({ kind: 'unreachable', reason: 'too many questions' });
  forwarder.close();
  expect([pending.length, ended]).toEqual([MAX_QUESTIONS_IN_FLIGHT, []]);
});

test('the cache holds so many entries and so many bytes, and lets the oldest go', () => {
  const cache = new AnswerCache(() => 0);
  for (let n = 0; n <= MAX_CACHE_ENTRIES; n++) {
    cache.put(String(n), outcomeOf(16), 60);
    cache.get('0');
  }
  expect([cache.size, cache.get('0') !== undefined, cache.get('1')]).toEqual([MAX_CACHE_ENTRIES, true, undefined]);
  cache.put('large', outcomeOf(MAX_CACHE_BYTES - 5), 60);
  expect([cache.size, cache.get('large') !== undefined]).toEqual([1, true]);
  cache.put('larger', outcomeOf(MAX_CACHE_BYTES), 60);
  expect(cache.get('larger')).toBeUndefined();
});
