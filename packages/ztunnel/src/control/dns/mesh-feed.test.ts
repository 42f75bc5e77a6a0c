import { expect, test } from 'vitest';
import type { StateChange } from '../../data-plane/protocol.ts';
import { workload } from '../../state/fixtures.ts';
import { MeshState } from '../../state/mesh-state.ts';
import { MeshFeed } from './mesh-feed.ts';

/** Turns are made by the test. */
function start() {
  const turns = new Set<() => void>();
  const engine = {
    after: (_: number, callback: () => void) => {
      turns.add(callback);
      return { cancel: () => turns.delete(callback) };
    },
  };
  const state = new MeshState();
  let groups = 0;
  const feed = new MeshFeed(state, engine, () => groups++);
  const turn = (): void => {
    const [callback] = turns;
    if (callback === undefined) return;
    turns.delete(callback);
    callback();
  };
  return { feed, state, turn, turns, groups: () => groups };
}

const put = (n: number): StateChange => ({
  type: 'workload',
  workload: workload({ uid: `w${n}`, name: `w${n}`, ips: [] }),
  endpoints: [],
});

test('a large group takes several turns; the next one comes after it', async () => {
  const { feed, state, turn, turns, groups } = start();
  const large = Array.from({ length: 200_000 }, (_, n) => put(n));
  const first = feed.apply(large);
  const second = feed.apply([{ type: 'workload-removed', uid: 'w0' }]);
  expect(turns.size).toBe(1);
  expect(state.workloadByUid('w199999')).toBeUndefined();
  while (turns.size > 0) turn();
  await Promise.all([first, second]);
  expect(state.workloadByUid('w199999')).toBeDefined();
  expect(state.workloadByUid('w0')).toBeUndefined();
  expect(groups()).toBe(2);
  await feed.apply([]);
  expect(groups()).toBe(3);
});

test('closed: nothing more is taken in, and nobody waits', async () => {
  const { feed, turns, groups } = start();
  const applied = feed.apply(Array.from({ length: 200_000 }, (_, n) => put(n)));
  feed.close();
  await applied;
  expect([turns.size, groups()]).toEqual([0, 0]);
});
