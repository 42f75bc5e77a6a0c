/** SHA-256 of everything that crosses a tunnel, on every pair of engines. */
import { expect, test } from 'vitest';
import { freshSeed, Random } from './random.ts';
import { NodeSide, Pump, ReactorSide } from './side.ts';
import { runTraffic } from './traffic.ts';

/** Of a machine that does much else. */
const PATIENCE = { timeout: 120_000 };

const BYTES = 70_000_000;
const seed = freshSeed();

test.each([
  { from: 'reactor', to: 'reactor', client: () => new ReactorSide(), server: () => new ReactorSide() },
  { from: 'reactor', to: 'node', client: () => new ReactorSide(), server: () => new NodeSide() },
  { from: 'node', to: 'reactor', client: () => new NodeSide(), server: () => new ReactorSide() },
])(`applications by $from to $to, seed ${seed}`, PATIENCE, async ({ client, server }) => {
  const sides = [client(), server()] as const;
  const options = { random: new Random(seed), client: sides[0], server: sides[1], atOnce: 40, bytesEach: 150_000 };
  const { problems, bytes, rude, conversations } = await runTraffic({ ...options, bytes: BYTES });
  expect(problems).toEqual([]);
  expect(bytes).toBeGreaterThanOrEqual(BYTES);
  expect([rude > 0, rude < conversations / 2]).toEqual([true, true]);
  const pump = new Pump(sides);
  for (const side of sides) {
    if (!(side instanceof ReactorSide)) continue;
    side.deafen();
    const { engine } = side;
    await pump.until(() => Object.values(engine.holdings).every((count) => count === 0), 'all given back');
  }
  for (const side of sides) side.close();
});
