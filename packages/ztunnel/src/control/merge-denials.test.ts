import { expect, test } from 'vitest';
import type { Denial } from '../data-plane/protocol.ts';
import { mergeDenials } from './merge-denials.ts';

const denial: Denial = {
  kind: 'refused',
  pod: { name: 'a', namespace: 'n', serviceAccount: 's' },
  connection: { identity: undefined, sourceIp: '10.0.0.1', destinationIp: '10.0.0.2', destinationPort: 80 },
  reason: 'explicitly denied by: n/p',
  count: 2,
  firstEpochMs: 5,
  lastEpochMs: 9,
  explanation: undefined,
};

test('equal ones of several threads are added up, the latest first', () => {
  const other = { ...denial, connection: { ...denial.connection, destinationPort: 81 }, lastEpochMs: 10 };
  const again = { ...denial, count: 3, firstEpochMs: 3, lastEpochMs: 7 };
  expect(mergeDenials([[denial], [other, again]])).toEqual([
    other,
    { ...denial, count: 5, firstEpochMs: 3, lastEpochMs: 9 },
  ]);
});

test.each([
  { what: 'the kind', other: { kind: 'shadow' as const } },
  { what: 'the reason', other: { reason: 'allow policies exist, but none allowed' } },
  { what: 'the pod', other: { pod: { ...denial.pod, name: 'b' } } },
  {
    what: 'the principal',
    other: {
      connection: {
        ...denial.connection,
        identity: { trustDomain: 'td', namespace: 'n', serviceAccount: 's' },
      },
    },
  },
])('$what makes two of them', ({ other }) => {
  expect(mergeDenials([[denial], [{ ...denial, ...other }]])).toHaveLength(2);
});
