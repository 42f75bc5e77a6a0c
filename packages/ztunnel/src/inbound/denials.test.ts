import type { Connection, Explanation } from '@ambientmesh/policy';
import { compile } from '@ambientmesh/policy';
import { expect, test } from 'vitest';
import { Denials, type DeniedConnection, MAX_DENIALS, MAX_EXPLAINED_RULES } from './denials.ts';

const pod = { name: 'server', namespace: 'default', serviceAccount: 'default' };
const workload = { namespace: 'default', authorizationPolicies: [], uid: 'more than anybody asked for' };
const identity = { trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'client' };
const connection: Connection = {
  identity,
  sourceIp: '10.0.0.1',
  destinationIp: '10.0.0.2',
  destinationPort: 80,
};

function denied(over: Partial<DeniedConnection> & { port?: number } = {}): DeniedConnection {
  const { port = 80, ...rest } = over;
  const reason = 'explicitly denied by: a/b';
  return { kind: 'refused', pod, workload, connection: { ...connection, destinationPort: port }, reason, ...rest };
}

/** An explanation of as many rules. */
function explanation(rules: number): Explanation {
  const rule = { rule: 0, sourceRule: undefined, matched: false, clauses: [], more: 0 };
  const policy = { policy: 'a/b', action: 'Deny', scope: 'Global', dryRun: false, matched: true } as const;
  const policies = [
    { ...policy, rules: Array.from({ length: rules }, () => rule), more: 0, nearest: undefined, notes: [] },
  ];
  const decision = compile([]).evaluate(connection, workload);
  return { connection, workload, decision, policies, nearest: undefined, wouldPass: [] };
}

test('equal ones are one, with the times of the first and the last', () => {
  const denials = new Denials(() => 'nobody asked');
  for (let i = 0; i < 3; i++) denials.add(denied());
  const [one, ...others] = denials.list();
  expect(others).toEqual([]);
  expect(one).toMatchObject({ kind: 'refused', pod, connection, count: 3, explanation: undefined });
  expect(one?.firstEpochMs).toBeLessThanOrEqual(one?.lastEpochMs ?? 0);
  expect(Math.abs(Date.now() - (one?.lastEpochMs ?? 0))).toBeLessThan(60_000);
});

test.each([
  { what: 'kind', other: { kind: 'cut' } },
  { what: 'pod', other: { pod: { ...pod, name: 'other' } } },
  { what: 'reason', other: { reason: 'allow policies exist, but none allowed' } },
  { what: 'port', other: { port: 81 } },
  { what: 'source', other: { connection: { ...connection, sourceIp: '10.0.0.9' } } },
  { what: 'identity', other: { connection: { ...connection, identity: undefined } } },
] as const)('another $what is another denial, and the latest comes first', ({ other }) => {
  const denials = new Denials(() => 'nobody asked');
  denials.add(denied());
  denials.add(denied(other));
  denials.add(denied());
  expect(denials.list().map(({ count }) => count)).toEqual([2, 1]);
});

test('they survive the way to the control thread', () => {
  const denials = new Denials(() => explanation(2));
  denials.add(denied());
  expect(structuredClone(denials.list())).toEqual(denials.list());
});

test('explained at the first, by what matters of the workload', () => {
  const asked: unknown[] = [];
  const denials = new Denials((...question) => {
    asked.push(question);
    return explanation(1);
  });
  denials.add(denied());
  denials.add(denied());
  expect(asked).toEqual([[connection, { namespace: 'default', authorizationPolicies: [] }]]);
  expect(denials.list()[0]?.explanation?.policies).toHaveLength(1);
});

test('an explanation is as old as the denial that it was made for', () => {
  const denials = new Denials(() => explanation(1));
  denials.add(denied());
  const [first] = denials.list();
  expect(first?.explainedEpochMs).toBe(first?.firstEpochMs);
  while (Date.now() <= (first?.firstEpochMs ?? 0));
  denials.add(denied());
  expect(denials.list()[0]?.explainedEpochMs).toBe(first?.firstEpochMs);
  denials.policiesChanged();
  denials.add(denied());
  const [last] = denials.list();
  expect(last?.explainedEpochMs).toBe(last?.lastEpochMs);
  expect(last?.explainedEpochMs).toBeGreaterThan(first?.firstEpochMs ?? 0);
});

test('why it is not explained is asked and told once, until policies change', () => {
  let asked = 0;
  const denials = new Denials(() => (++asked < 2 ? 'too large' : explanation(1)));
  const told = () => denials.list().map((one) => [one.unexplained, one.explanation?.policies.length]);
  denials.add(denied());
  denials.add(denied());
  expect([asked, told()]).toEqual([1, [['too large', undefined]]]);
  denials.policiesChanged();
  denials.add(denied());
  expect(told()).toEqual([[undefined, 1]]);
});

test('explained anew when it comes again after a change of policies', () => {
  let rules = 0;
  const denials = new Denials(() => explanation(++rules));
  const explained = () => denials.list().map((one) => one.explanation?.policies[0]?.rules.length);
  denials.add(denied());
  denials.add(denied({ port: 81 }));
  denials.policiesChanged();
  denials.add(denied());
  denials.add(denied());
  expect(explained()).toEqual([3, 2]);
});

test('bounded: the one that was not repeated for the longest time goes', () => {
  const denials = new Denials(() => explanation(1));
  for (let port = 1; port <= MAX_DENIALS; port++) denials.add(denied({ port }));
  denials.add(denied({ port: 1 }));
  denials.add(denied({ port: 9999 }));
  const ports = denials.list().map((one) => one.connection.destinationPort);
  expect(ports).toHaveLength(MAX_DENIALS);
  expect(ports.slice(0, 3)).toEqual([9999, 1, MAX_DENIALS]);
  expect(ports).not.toContain(2);
});

test('bounded: large explanations of old denials are let go', () => {
  // Made before: the time that explaining takes is bounded, too.
  const large = explanation(MAX_EXPLAINED_RULES / 4);
  const denials = new Denials(() => large);
  for (let port = 1; port <= 10; port++) denials.add(denied({ port }));
  expect(denials.list().map((one) => one.explanation !== undefined)).toEqual([
    ...Array.from({ length: 3 }, () => true),
    ...Array.from({ length: 7 }, () => false),
  ]);
});

test('a flood of different denials is not explained one by one', () => {
  let explained = 0;
  const denials = new Denials(() => {
    explained++;
    const endMs = performance.now() + 2;
    while (performance.now() < endMs);
    return explanation(1);
  });
  const beginMs = performance.now();
  for (let port = 1; port <= 10_000; port++) denials.add(denied({ port }));
  const tookMs = performance.now() - beginMs;
  // 2 ms each; 10 ms at once and 2 % of the time.
  expect(explained).toBeLessThanOrEqual(6 + tookMs / 100);
  expect(denials.list()).toHaveLength(MAX_DENIALS);
});
