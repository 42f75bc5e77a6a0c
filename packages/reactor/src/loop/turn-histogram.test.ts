import { expect, test } from 'vitest';
import { TurnHistogram } from './turn-histogram.ts';

test.each([
  { ms: 0, bucket: 0 },
  { ms: 0.001, bucket: 0 },
  { ms: 0.0011, bucket: 1 },
  { ms: 0.002, bucket: 1 },
  { ms: 0.0021, bucket: 2 },
  { ms: 0.004, bucket: 2 },
  { ms: 0.005, bucket: 3 },
  { ms: 1, bucket: 10 },
  { ms: 1.024, bucket: 10 },
  { ms: 1.025, bucket: 11 },
  { ms: 1048.576, bucket: 20 },
  { ms: 1048.577, bucket: 21 },
  { ms: 60_000, bucket: 21 },
  // More microseconds than 32 bits have: the process was stopped.
  { ms: 1e10, bucket: 21 },
])('$ms ms is counted in bucket $bucket', ({ ms, bucket }) => {
  const histogram = new TurnHistogram();
  histogram.add(ms);
  const { buckets, turns, longestMs, totalMs } = histogram.drain();
  expect(buckets.length).toBe(22);
  expect(buckets.indexOf(1)).toBe(bucket);
  expect([turns, longestMs, totalMs]).toEqual([1, ms, ms]);
});

test('drain answers what was counted since the last one', () => {
  const histogram = new TurnHistogram();
  for (const ms of [3, 1, 2]) histogram.add(ms);
  expect(histogram.drain()).toMatchObject({ turns: 3, longestMs: 3, totalMs: 6 });
  expect(histogram.drain()).toEqual({ turns: 0, longestMs: 0, totalMs: 0, buckets: Array(22).fill(0) });
  histogram.add(1);
  expect(histogram.drain()).toMatchObject({ turns: 1, longestMs: 1, totalMs: 1 });
});
