import { expect, test } from 'vitest';
import { DialQueue, MOST_DIALS_A_TURN } from './dial-queue.ts';

function start() {
  const atEnd: (() => void)[] = [];
  const next: (() => void)[] = [];
  const queue = new DialQueue({
    atEndOfTurn: (callback) => void atEnd.push(callback),
    after: (ms, callback) => {
      expect(ms).toBe(0);
      next.push(callback);
      return { cancel: () => undefined };
    },
  });
  const begun: number[] = [];
  const add = (number: number) => queue.add(() => void begun.push(number));
  /** Answers how many have begun in a turn. */
  const turn = (): number => {
    const before = begun.length;
    for (const callback of next.splice(0)) callback();
    for (const callback of atEnd.splice(0)) callback();
    return begun.length - before;
  };
  return { add, turn, begun };
}

test('dials begin at the end of the turn, in order; those that were called off do not', () => {
  const { add, turn, begun } = start();
  const dials = [0, 1, 2, 3].map((number) => add(number));
  expect(begun).toEqual([]);
  dials[1]?.cancel();
  expect(turn()).toBe(3);
  expect(begun).toEqual([0, 2, 3]);
  dials[0]?.cancel();
  expect(turn()).toBe(0);
});

test('a flood of them takes many turns, and none is forgotten', () => {
  const { add, turn, begun } = start();
  for (let number = 0; number < 3 * MOST_DIALS_A_TURN; number++) add(number);
  expect([turn(), turn()]).toEqual([MOST_DIALS_A_TURN, MOST_DIALS_A_TURN]);
  add(3 * MOST_DIALS_A_TURN);
  for (let left = 5; left > 0; left--) turn();
  expect(begun).toEqual(Array.from({ length: 3 * MOST_DIALS_A_TURN + 1 }, (_, number) => number));
});
