/** Records of our own and records of OpenSSL's, one at each end: new keys every few records, and everything crosses. */
import type { Plain } from '@ambientmesh/hbone';
import { expect, test } from 'vitest';
import { PatternedEnd } from './patterned-end.ts';
import { freshSeed, Random } from './random.ts';
import { Pump, ReactorSide, tlsOf } from './side.ts';

/** Of a machine that does much else. */
const PATIENCE = { timeout: 120_000 };

const CONNECTIONS = 8;
const TURNS = 800;
const MOST_QUEUED_BYTES = 1_000_000;
const RECORDS_PER_KEY = 3;
const seed = freshSeed();

test.each([
  { client: 'own', server: 'openssl' },
  { client: 'openssl', server: 'own' },
] as const)(`$client to $server, seed ${seed}`, PATIENCE, async (records) => {
  const random = new Random(seed);
  const sides = [
    new ReactorSide({ recordsPerKey: RECORDS_PER_KEY, records: records.client }),
    new ReactorSide({ recordsPerKey: 2 * RECORDS_PER_KEY, records: records.server }),
  ] as const;
  const pump = new Pump(sides);
  const accepted: Plain[] = [];
  const port = await sides[1].listen((plain) => accepted.push(plain));
  const tls = [tlsOf(sides[0].engine, 'client'), tlsOf(sides[1].engine, 'server')] as const;
  const ends: PatternedEnd[] = [];
  for (let number = 0; number < 2 * CONNECTIONS; number += 2) {
    const pair = [new PatternedEnd(number, number + 1), new PatternedEnd(number + 1, number)] as const;
    const dialled = await pump.wait(sides[0].dial(port), 'connected');
    pair[0].secure = sides[0].engine.secureClient(dialled, tls[0], pair[0]);
    await pump.until(() => accepted.length > 0, 'accepted');
    pair[1].secure = sides[1].engine.secureServer(accepted.pop()!, tls[1], pair[1]);
    ends.push(...pair);
  }
  for (let turn = 0; turn < TURNS; turn++) {
    const end = ends[random.below(ends.length)]!;
    const kind = random.below(10);
    if (kind === 0) end.secure!.pause();
    else if (kind < 3) end.secure!.resume();
    else if (end.secure!.room > MOST_QUEUED_BYTES / 2) end.send(random.size());
    if (turn % 3 === 0) await pump.turn();
  }
  for (const end of ends) end.secure!.resume();
  const other = (index: number): PatternedEnd => ends[index ^ 1]!;
  await pump.until(() => ends.every((end, index) => end.received === other(index).sent), 'all octets');
  expect(ends.filter(({ wrong, failure }) => wrong || failure !== undefined)).toEqual([]);
  expect(ends.reduce((sum, { received }) => sum + received, 0)).toBeGreaterThan(1_000_000);
  for (const [index, end] of ends.entries()) if (index % 2 === 0) end.secure!.close();
  await pump.until(() => ends.every((end, index) => index % 2 === 0 || end.events.includes('ended')), 'all ends');
  for (const end of ends) end.secure!.close();
  for (const side of sides) {
    side.deafen();
    await pump.until(() => Object.values(side.engine.holdings).every((count) => count === 0), 'all given back');
  }
  for (const side of sides) side.close();
});
