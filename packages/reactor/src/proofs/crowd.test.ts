/** What connections hold is given back, however they end. */
import { expect, test } from 'vitest';
import { allocatedBytes } from '../testing/allocated-bytes.ts';
import { openDescriptors } from '../testing/engine-rig.ts';
import { Crowd } from './crowd.ts';
import { freshSeed, Random } from './random.ts';

/** Of a machine that does much else. */
const PATIENCE = { timeout: 120_000 };

const CONNECTIONS = 2000;
const AT_ONCE = 100;
const MEBIBYTE = 1_048_576;
const seed = freshSeed();

test(`${CONNECTIONS} connections that end in all ways leave nothing, seed ${seed}`, PATIENCE, async () => {
  const crowd = new Crowd(new Random(seed));
  // What is made at first use, and once.
  await crowd.run(CONNECTIONS / 4, AT_ONCE);
  const before = { descriptors: openDescriptors(), bytes: allocatedBytes() };
  const { accepted } = await crowd.run(CONNECTIONS, AT_ONCE);
  expect(accepted).toBeGreaterThan(CONNECTIONS / 2);
  expect(openDescriptors()).toBe(before.descriptors);
  // Of 1400 TLS connections, of which one has 30 KB.
  expect(allocatedBytes() - before.bytes).toBeLessThan(2 * MEBIBYTE);
  crowd.close();
});
