import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TwoSided } from './two-sided.ts';

type Side = Map<string, number>;

function create(): TwoSided<Side> {
  return new TwoSided<Side>(() => new Map());
}

const put = (key: string, value: number) => (side: Side) => void side.set(key, value);

test('what is staged is seen by nobody, until all of it is', () => {
  const sides = create();
  sides.write(put('a', 1));
  sides.stage(put('a', 2));
  sides.stage(put('b', 2));
  expect([...sides.current]).toEqual([['a', 1]]);
  expect([...sides.next]).toEqual([
    ['a', 2],
    ['b', 2],
  ]);
  sides.exchange();
  expect([...sides.current]).toEqual([
    ['a', 2],
    ['b', 2],
  ]);
});

test('after an exchange the other side catches up, one change a step', () => {
  const sides = create();
  for (const key of ['a', 'b']) sides.stage(put(key, 1));
  const old = sides.current;
  sides.exchange();
  expect([sides.step(), old.size]).toEqual([true, 1]);
  expect([sides.step(), old.size]).toEqual([true, 2]);
  expect(sides.step()).toBe(false);
  expect(sides.next).toBe(old);
});

test('nothing is made up for before an exchange', () => {
  const sides = create();
  sides.stage(put('a', 1));
  expect([sides.step(), sides.current.size]).toEqual([false, 0]);
});

const steps = fc.array(
  fc.oneof(
    fc.record({
      do: fc.constantFrom('stage', 'write'),
      key: fc.constantFrom('a', 'b', 'c'),
      value: fc.nat(9),
    }),
    fc.record({ do: fc.constantFrom('exchange', 'step'), key: fc.constant(''), value: fc.constant(0) }),
  ),
);

test('in any order of calls, what is seen is what was staged before the last exchange', () => {
  fc.assert(
    fc.property(steps, (calls) => {
      const sides = create();
      let seen = new Map<string, number>();
      const staged = new Map<string, number>();
      for (const { do: what, key, value } of calls) {
        if (what === 'stage') {
          sides.stage(put(key, value));
          staged.set(key, value);
        } else if (what === 'write') {
          sides.write(put(key, value));
          for (const side of [seen, staged]) side.set(key, value);
        } else if (what === 'exchange') {
          sides.exchange();
          seen = new Map(staged);
        } else sides.step();
        expect(new Map(sides.current)).toEqual(seen);
      }
    }),
  );
});
