import { expect, test } from 'vitest';
import type { StateChange } from '../data-plane/protocol.ts';
import { endpoint, workload } from '../state/fixtures.ts';
import { ChangeParts } from './change-parts.ts';

function policyOf(name: string, rules: number): StateChange {
  const principals = [{ kind: 'exact', value: name }] as const;
  const more = { namespace: 'n', scope: 'Namespace', action: 'Deny', dryRun: false } as const;
  return {
    type: 'policy',
    policy: { name, ...more, rules: Array.from({ length: rules }, () => [[{ principals }]]) },
  };
}

function workloadOf(name: string): StateChange {
  const one = workload({ name });
  return { type: 'workload', workload: one, endpoints: [endpoint(one, 's', [[80, 8080]])] };
}

function partsOf(changes: readonly StateChange[]): (readonly StateChange[])[] {
  const parts = new ChangeParts(changes);
  const all: (readonly StateChange[])[] = [];
  for (let number = 0; ; number++) {
    const { changes: part, last } = parts.part(number);
    all.push(part);
    if (last) return all;
  }
}

test('each change is in one part, in order, and no part is large', () => {
  const changes = Array.from({ length: 3000 }, (_, i) =>
    i % 3 === 0 ? workloadOf(`w${i}`) : policyOf(`p${i}`, i % 30),
  );
  const parts = partsOf(changes);
  expect(parts.flat()).toEqual(changes);
  const sizes = parts.map((part) => JSON.stringify(part).length);
  expect(Math.max(...sizes)).toBeLessThan(JSON.stringify(changes).length / 50);
  // A part costs a turn of the loop on both sides.
  expect(Math.min(...sizes.slice(0, -1)) * 4).toBeGreaterThan(Math.max(...sizes));
});

test.each([
  { what: 'nothing', changes: [], sizes: [0] },
  { what: 'little', changes: [policyOf('a', 3), workloadOf('b')], sizes: [2] },
  {
    what: 'a policy that is long by itself',
    changes: [policyOf('a', 1), policyOf('b', 10_000), policyOf('c', 1), policyOf('d', 1)],
    sizes: [1, 1, 2],
  },
])('$what: parts of $sizes', ({ changes, sizes }) => {
  expect(partsOf(changes).map((part) => part.length)).toEqual(sizes);
});
