import { createNodeEngine } from '@ambientmesh/hbone';
import { expect, test } from 'vitest';
import { Rechecks } from './rechecks.ts';
import { soon } from './testing/soon.ts';

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
  await soon(() => expect(walked).toEqual(['a', 'b']));
  rechecks.request(a);
  await soon(() => expect(walked).toEqual(['a', 'b', 'a']));
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
  await soon(() => expect(seen).toHaveLength(12));
  expect(seen).toEqual([1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]);
});

/** As many steps as told, each noted. */
const walker = (name: string, steps: number, walked: string[]) => ({
  *recheck(): Generator<void> {
    for (let step = 0; step < steps; step++) {
      walked.push(name);
      yield;
    }
  },
});

test('policies come before trust, however it was asked', async () => {
  const rechecks = new Rechecks(engine);
  const walked: string[] = [];
  const [trust, policies] = [walker('trust', 3, walked), walker('policies', 3, walked)];
  rechecks.request(trust, 'trust');
  rechecks.request(policies);
  await soon(() => expect(walked).toHaveLength(6));
  expect(walked).toEqual([...Array(3).fill('policies'), ...Array(3).fill('trust')]);
});

test('policies that change while trust is gone through have their turn at once', async () => {
  const rechecks = new Rechecks(engine);
  const walked: string[] = [];
  const policies = walker('policies', 2, walked);
  rechecks.request(
    {
      *recheck(): Generator<void> {
        walked.push('first');
        rechecks.request(policies);
        yield;
        walked.push('second');
        yield;
      },
    },
    'trust',
  );
  await soon(() => expect(walked).toEqual(['first', 'policies', 'policies', 'second']));
});

test('policies that change again and again do not keep trust from being looked at', async () => {
  const rechecks = new Rechecks(engine);
  let trusted = 0;
  const restless = {
    *recheck(): Generator<void> {
      for (let step = 0; step < 100; step++) yield;
      if (trusted < 10) rechecks.request(restless);
    },
  };
  rechecks.request(restless);
  rechecks.request(
    {
      *recheck(): Generator<void> {
        for (; trusted < 10; trusted++) yield;
      },
    },
    'trust',
  );
  await soon(() => expect(trusted).toBe(10));
});

test('whoever is gone in the middle of its walk is not looked at any more', async () => {
  const rechecks = new Rechecks(engine);
  const walked: string[] = [];
  const gone = {
    *recheck(): Generator<void> {
      walked.push('gone');
      rechecks.forget(gone);
      yield;
      walked.push('gone again');
    },
  };
  rechecks.request(gone, 'trust');
  rechecks.request(walker('other', 1, walked), 'trust');
  await soon(() => expect(walked).toContain('other'));
  expect(walked).toEqual(['gone', 'other']);
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
  await soon(() => expect(steps).toBeGreaterThan(0));
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
