import type { Engine } from '@ambientmesh/hbone';
import { expect, test } from 'vitest';
import { SLICE_MS, walkInSlices } from './sliced-walk.ts';

/** 10,000 steps on a clock that only they move; turns are run by hand. */
function walk(stepMs: number) {
  const turns: (() => void)[] = [];
  const after: Engine['after'] = (ms, callback) => {
    expect(ms).toBe(0);
    turns.push(callback);
    return { cancel: () => void turns.splice(0) };
  };
  let [nowMs, taken] = [0, 0];
  const steps = {
    next: (): IteratorResult<void> => {
      if (taken === 10_000) return { done: true, value: undefined };
      taken++;
      nowMs += stepMs;
      return { done: false, value: undefined };
    },
  };
  const walking = walkInSlices({ after }, steps, () => nowMs);
  return { turns, walking, nowMs: () => nowMs, taken: () => taken };
}

test.each([0.01, 0.1, 1.5])('steps of %s ms: no turn is longer than a slice and a step', (stepMs) => {
  const { turns, nowMs, taken } = walk(stepMs);
  let longestMs = nowMs();
  for (let turn = turns.pop(); turn !== undefined; turn = turns.pop()) {
    const beginMs = nowMs();
    turn();
    longestMs = Math.max(longestMs, nowMs() - beginMs);
  }
  expect(taken()).toBe(10_000);
  expect(longestMs).toBeLessThanOrEqual(SLICE_MS + stepMs);
});

test('cancelled: no further turn', () => {
  const { turns, walking, taken } = walk(1);
  walking.cancel();
  expect([turns, taken()]).toEqual([[], 2]);
});
