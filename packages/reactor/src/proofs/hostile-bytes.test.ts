/** Whatever a peer sends: nothing is thrown, nothing hangs, others are served, and nothing stays. */
import { expect, test } from 'vitest';
import { HostileScene } from './hostile-bytes.ts';
import { freshSeed, Random } from './random.ts';

/** Of a machine that does much else. */
const PATIENCE = { timeout: 120_000 };

const ATTACKS = 250;
const seed = freshSeed();

test.each([
  { kind: 'rawBytes', records: 'own' },
  { kind: 'changedRecords', records: 'own' },
  { kind: 'changedRecords', records: 'openssl' },
  { kind: 'changedFrames', records: 'own' },
] as const)(`${ATTACKS} attacks by $kind, records $records, seed ${seed}`, PATIENCE, async ({ kind, records }) => {
  const scene = new HostileScene(new Random(seed), { records });
  await scene.open();
  await scene[kind](ATTACKS);
  const { attacks, echoed, problems } = await scene.close();
  expect(problems).toEqual([]);
  expect(attacks).toBe(ATTACKS);
  expect(echoed).toBeGreaterThan(0);
});
