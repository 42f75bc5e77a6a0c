import { expect, test } from 'vitest';
import { FairTurns, TURN_SHARE_MS } from './fair-turns.ts';

/** A clock that stands still but for what the pieces take, and turns that a test makes. */
function start() {
  let nowMs = 0;
  const planned: (() => void)[] = [];
  const turns = new FairTurns({ now: () => nowMs, nextTurn: (callback) => planned.push(callback) });
  const done: string[] = [];
  const piece = (name: string, ms: number) => (): void => {
    nowMs += ms;
    done.push(name);
  };
  const turn = (): string[] => {
    done.length = 0;
    for (const callback of planned.splice(0)) callback();
    return [...done];
  };
  return { turns, done, piece, turn, planned };
}

const [a, b] = [{}, {}];

test('within the share of a turn everything is done at once', () => {
  const { turns, done, piece, turn, planned } = start();
  turns.run(a, piece('1', TURN_SHARE_MS - 1));
  turns.run(a, piece('2', 1));
  expect(done).toEqual(['1', '2']);
  expect(turn()).toEqual([]);
  expect(planned).toEqual([]);
});

test('beyond it each owner gets one piece in turn, in order', () => {
  const { turns, done, piece, turn } = start();
  turns.run(a, piece('first', TURN_SHARE_MS));
  for (const name of ['a1', 'a2', 'a3', 'a4']) turns.run(a, piece(name, TURN_SHARE_MS / 4));
  for (const name of ['b1', 'b2']) turns.run(b, piece(name, TURN_SHARE_MS / 4));
  expect(done).toEqual(['first']);
  expect([turns.waitingOf(a), turns.waitingOf(b)]).toEqual([4, 2]);
  expect(turn()).toEqual(['a1', 'b1', 'a2', 'b2']);
  turns.run(b, piece('b3', 0));
  expect(turn()).toEqual(['a3', 'b3', 'a4']);
  expect(turn()).toEqual([]);
});

test('what is forgotten is not done', () => {
  const { turns, piece, turn } = start();
  turns.run(a, piece('first', TURN_SHARE_MS));
  turns.run(a, piece('late', 0));
  turns.run(b, piece('other', 0));
  turns.forget(a);
  expect(turns.waitingOf(a)).toBe(0);
  expect(turn()).toEqual(['other']);
});

test('a piece that throws has had its turn', () => {
  const { turns, piece, turn } = start();
  turns.run(a, piece('first', TURN_SHARE_MS));
  turns.run(a, () => {
    throw new Error('bad');
  });
  turns.run(b, piece('other', 0));
  expect(turn).toThrow('bad');
  turns.run(b, piece('more', 0));
  expect(turn()).toEqual(['other', 'more']);
});
