import { expect, test } from 'vitest';
import { costOf } from './measure-memory.ts';

const use = (anonymousBytes: number) => ({ residentBytes: 1e9, anonymousBytes });

test.each([
  {
    what: 'the difference, for each',
    idle: use(1_000),
    held: use(5_000),
    open: 4,
    cost: { open: 4, anonymousPerConnection: 1_000 },
  },
  {
    what: 'memory given back',
    idle: use(5_000),
    held: use(1_000),
    open: 4,
    cost: { open: 4, anonymousPerConnection: -1_000 },
  },
  { what: 'none has come to be', idle: use(1_000), held: use(5_000), open: 0, cost: { open: 0 } },
  { what: 'no proxies', idle: undefined, held: undefined, open: 4, cost: { open: 4 } },
])('what a further connection adds: $what', ({ idle, held, open, cost }) => {
  expect(costOf(idle, held, open)).toEqual(cost);
});
