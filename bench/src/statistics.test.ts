import { expect, test } from 'vitest';
import { median, pairedRatios, percentile, spreadOf } from './statistics.ts';

const hundred = Float64Array.from({ length: 100 }, (_, index) => index + 1);

test.each([
  { of: hundred, fraction: 0.5, is: 50 },
  { of: hundred, fraction: 0.99, is: 99 },
  { of: hundred, fraction: 1, is: 100 },
  { of: hundred, fraction: 0, is: 1 },
  { of: [7], fraction: 0.99, is: 7 },
  { of: [1, 2, 3], fraction: 0.5, is: 2 },
  { of: [], fraction: 0.5, is: undefined },
])('percentile $fraction of $of.length values is $is', ({ of, fraction, is }) => {
  expect(percentile(of, fraction)).toBe(is);
});

test.each([
  { of: [], is: undefined },
  { of: [3], is: 3 },
  { of: [10, 1, 2], is: 2 },
  { of: [4, 1, 3, 2], is: 2.5 },
])('median of $of is $is', ({ of, is }) => {
  expect(median(of)).toBe(is);
});

test('spread is median and range', () => {
  expect(spreadOf([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 });
  expect(spreadOf([])).toBeUndefined();
});

test('ratios are taken round by round; rounds with a gap do not count', () => {
  expect(pairedRatios([2, 9, undefined, 4, 1], [1, 3, 5, undefined, 0])).toEqual([2, 3]);
});

test('a machine that halves its speed between rounds does not change a ratio', () => {
  expect(spreadOf(pairedRatios([10, 5], [8, 4]))).toEqual({ median: 1.25, min: 1.25, max: 1.25 });
});
