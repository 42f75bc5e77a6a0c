import { createNodeEngine } from '@ambientmesh/hbone';
import { expect, test, vi } from 'vitest';
import { Rechecks } from './rechecks.ts';

const engine = createNodeEngine();

test('asks that come together are one walk, of each who asked', async () => {
  const rechecks = new Rechecks(engine);
  const walked: string[] = [];
  const pod = (name: string) => ({
    *recheck(): Generator<void> {
      yield;
      walked.push(name);
    },
  });
  const [a, b, gone] = [pod('a'), pod('b'), pod('gone')];
  for (const one of [a, b, gone, a, b, a]) rechecks.request(one);
  rechecks.forget(gone);
  expect(walked).toEqual([]);
  await vi.waitFor(() => expect(walked).toEqual(['a', 'b']));
  rechecks.request(a);
  await vi.waitFor(() => expect(walked).toEqual(['a', 'b', 'a']));
});

test('who asks while it is gone through is gone through to the end, and once more', async () => {
  const rechecks = new Rechecks(engine);
  const seen: number[] = [];
  let asks = 3;
  const pod = {
    *recheck(): Generator<void> {
      for (const connection of [1, 2, 3]) {
        if (connection === 1 && asks-- > 0) rechecks.request(pod);
        seen.push(connection);
        yield;
      }
    },
  };
  rechecks.request(pod);
  await vi.waitFor(() => expect(seen).toHaveLength(12));
  expect(seen).toEqual([1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]);
});

test('close ends the walk where it is', async () => {
  const rechecks = new Rechecks(engine);
  let steps = 0;
  rechecks.request({
    *recheck(): Generator<void> {
      for (;;) {
        steps++;
        yield;
      }
    },
  });
  await vi.waitFor(() => expect(steps).toBeGreaterThan(0));
  rechecks.close();
  const before = steps;
  // Whatever was to come next would have come before this.
  await new Promise<void>((resolve) => {
    new Rechecks(engine).request({
      recheck: () => {
        resolve();
        return [].values();
      },
    });
  });
  expect(steps).toBe(before);
});
