import { type Connection, compile } from '@ambientmesh/policy';
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
  explainedEpochMs: undefined,
  unexplained: undefined,
};

/** Of a time, by a policy of this name. */
function explained(explainedEpochMs: number, name: string): Denial {
  const policy = { name, namespace: 'n', scope: 'Global', action: 'Deny', dryRun: false, rules: [[]] } as const;
  const connection: Connection = denial.connection;
  const explanation = compile([policy]).explain(connection, { namespace: 'n', authorizationPolicies: [] });
  return { ...denial, explanation, explainedEpochMs };
}

test.each([
  { what: 'the newest explanation counts', threads: [explained(5, 'old'), explained(6, 'new')], policy: 'n/new' },
  { what: 'in any order', threads: [explained(6, 'new'), explained(5, 'old')], policy: 'n/new' },
  { what: 'any is better than none', threads: [denial, explained(5, 'old'), denial], policy: 'n/old' },
])('$what', ({ threads, policy }) => {
  const [merged] = mergeDenials(threads.map((one) => [one]));
  expect(merged?.explanation?.policies[0]?.policy).toBe(policy);
  expect(merged?.explainedEpochMs).toBe(policy === 'n/new' ? 6 : 5);
});

test('why there is no explanation is told where there is none', () => {
  const unexplained = { ...denial, unexplained: 'too many' };
  expect(mergeDenials([[denial], [unexplained]])[0]?.unexplained).toBe('too many');
  expect(mergeDenials([[explained(9, 'p')], [unexplained]])[0]?.unexplained).toBeUndefined();
});

test('what can be explained no more since the explanation is told beside it', () => {
  const unexplained = { ...denial, unexplained: 'too many' };
  expect(mergeDenials([[explained(8, 'p')], [unexplained]])).toMatchObject([
    { explainedEpochMs: 8, explanation: expect.anything(), unexplained: 'too many' },
  ]);
  const stale = { ...unexplained, unexplained: 'stale', lastEpochMs: 7 };
  expect(mergeDenials([[stale], [explained(8, 'p')], [denial]])[0]?.unexplained).toBeUndefined();
  expect(mergeDenials([[stale], [explained(5, 'p')], [unexplained]])[0]?.unexplained).toBe('too many');
});

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
