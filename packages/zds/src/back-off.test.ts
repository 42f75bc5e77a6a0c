import { expect, test } from 'vitest';
import { AnnounceBackOff, ConnectBackOff } from './back-off.ts';

const MIDDLE = 0.5;

test('§8: connecting waits 20 ms, doubling to 15 s', () => {
  const backOff = new ConnectBackOff();
  expect(Array.from({ length: 12 }, () => backOff.next())).toEqual([
    20, 40, 80, 160, 320, 640, 1_280, 2_560, 5_120, 10_240, 15_000, 15_000,
  ]);
});

test('§8: announcing waits 500 ms, doubling to 15 s; 5 ms once ready; 20 % more or less', () => {
  const backOff = new AnnounceBackOff();
  expect(Array.from({ length: 7 }, () => backOff.next(MIDDLE))).toEqual([
    500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000,
  ]);
  backOff.reset();
  expect(backOff.next(0)).toBeCloseTo(4);
  expect(backOff.next(1)).toBeCloseTo(12);
});
