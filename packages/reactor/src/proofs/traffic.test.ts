/** SHA-256 of everything that crosses a tunnel, on every pair of engines. */
import { expect, test } from 'vitest';
import { freshSeed, Random } from './random.ts';
import { NodeSide, Pump, ReactorSide } from './side.ts';
import { runTraffic } from './traffic.ts';

/** Of a machine that does much else. */
const PATIENCE = { timeout: 120_000 };

const BYTES = 70_000_000;
/** Of the pairs that differ in who makes their records. */
const LESS_BYTES = 15_000_000;
const seed = freshSeed();

test.each([
  { from: 'reactor', to: 'reactor', client: () => new ReactorSide(), server: () => new ReactorSide() },
  { from: 'reactor', to: 'node', client: () => new ReactorSide(), server: () => new NodeSide() },
  { from: 'node', to: 'reactor', client: () => new NodeSide(), server: () => new ReactorSide() },
  {
    from: 'reactor',
    to: 'reactor with OpenSSL’s records',
    client: () => new ReactorSide(),
    server: () => new ReactorSide({ records: 'openssl' }),
    total: LESS_BYTES,
  },
  {
    from: 'reactor with OpenSSL’s records',
    to: 'reactor',
    client: () => new ReactorSide({ records: 'openssl' }),
    server: () => new ReactorSide(),
    total: LESS_BYTES,
  },
])(`applications by $from to $to, seed ${seed}`, PATIENCE, async ({ client, server, total = BYTES }) => {
  const sides = [client(), server()] as const;
  const options = { random: new Random(seed), client: sides[0], server: sides[1], atOnce: 40, bytesEach: 150_000 };
  const { problems, bytes, rude, conversations } = await runTraffic({ ...options, bytes: total });
  expect(problems).toEqual([]);
  expect(bytes).toBeGreaterThanOrEqual(total);
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
