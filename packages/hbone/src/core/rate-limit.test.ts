import { expect, test } from 'vitest';
import { RateLimit } from './rate-limit.ts';

/** How many may be taken at once. */
function takeAll(limit: RateLimit, most = 100): number {
  let taken = 0;
  while (taken < most && limit.take()) taken += 1;
  return taken;
}

test('a burst at once, then so many a second, never more than the burst', () => {
  let nowMs = 5000;
  const limit = new RateLimit({ burst: 10, perSecond: 4 }, () => nowMs);
  expect(takeAll(limit)).toBe(10);
  nowMs += 250;
  expect(takeAll(limit)).toBe(1);
  nowMs += 125;
  expect(takeAll(limit)).toBe(0);
  nowMs += 125;
  expect(takeAll(limit)).toBe(1);
  nowMs += 3_600_000;
  expect(takeAll(limit)).toBe(10);
});

test('the clock is read only when the tokens are out', () => {
  let reads = 0;
  const limit = new RateLimit({ burst: 50, perSecond: 0 }, () => {
    reads += 1;
    return 0;
  });
  expect(reads).toBe(1);
  for (let count = 0; count < 50; count++) expect(limit.take()).toBe(true);
  expect(reads).toBe(1);
  expect(limit.take()).toBe(false);
  expect(reads).toBe(2);
});

test.each([
  { rate: { burst: Number.POSITIVE_INFINITY, perSecond: 0 }, taken: 100 },
  { rate: { burst: 0, perSecond: 0 }, taken: 0 },
])('$rate allows $taken of 100', ({ rate, taken }) => {
  expect(takeAll(new RateLimit(rate, () => 0))).toBe(taken);
});
