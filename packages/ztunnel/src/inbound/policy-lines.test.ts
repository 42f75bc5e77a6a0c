import { type Connection, compile, type Policy } from '@ambientmesh/policy';
import { expect, test } from 'vitest';
import { policyLines } from './policy-lines.ts';

const WORKLOAD = { namespace: 'ns1', authorizationPolicies: [] };
const identity = { trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'default' };
const TLS: Connection = { identity, sourceIp: '10.0.0.1', destinationIp: '10.0.0.2', destinationPort: 80 };

/** A policy for port 80, or for a port that nobody asks for. */
function policy(name: string, over: { matches: boolean } & Partial<Policy>): Policy {
  const { matches, ...rest } = over;
  const rules = [[[{ destinationPorts: [matches ? 80 : 1] }]]];
  return { name, namespace: 'ns1', scope: 'Namespace', action: 'Allow', dryRun: false, rules, ...rest };
}

const deny = { action: 'Deny', matches: true } as const;
const allow = { action: 'Allow', matches: true } as const;
const miss = { action: 'Allow', matches: false } as const;
const dry = { dryRun: true } as const;

// spec policy.md §4.4; the rows of the recorded scenarios policy-dry-run and policy-dry-run-only among them.
test.each([
  { name: 'nothing', policies: {}, lines: ['no allow policies, allow'] },
  { name: 'DENY that matches', policies: { d: deny }, lines: ['deny policy match ns1/d'] },
  { name: 'ALLOW that matches', policies: { a: allow }, lines: ['allow policy match ns1/a'] },
  { name: 'ALLOW that does not', policies: { a: miss }, lines: ['no allow policies matched'] },
  {
    name: 'dry-run of both kinds that match',
    policies: { d: { ...deny, ...dry }, a: { ...allow, ...dry } },
    lines: ['dry-run: deny policy match ns1/d', 'dry-run: allow policy match ns1/a', 'no allow policies, allow'],
  },
  {
    name: 'dry-run ALLOW that does not match, alone',
    policies: { a: { ...miss, ...dry } },
    lines: ['dry-run: no allow policies match', 'no allow policies, allow'],
  },
  {
    name: 'dry-run ALLOW that does not match beside a real one',
    policies: { a: { ...miss, ...dry }, b: allow },
    lines: ['allow policy match ns1/b'],
  },
  {
    name: 'dry-run ALLOW that matches beside a real one that does not',
    policies: { a: { ...allow, ...dry }, b: miss },
    lines: ['dry-run: allow policy match ns1/a', 'no allow policies matched'],
  },
  {
    name: 'DENY that matches ends it before dry-run ALLOWs',
    policies: { a: { ...allow, ...dry }, d: { ...deny, ...dry }, real: deny },
    lines: ['dry-run: deny policy match ns1/d', 'deny policy match ns1/real'],
  },
])('$name: $lines', ({ policies, lines }) => {
  const set = compile(Object.entries(policies).map(([name, over]) => policy(name, over)));
  const said = policyLines(set.evaluate(TLS, WORKLOAD));
  expect(said.map(({ message, policy: key }) => (key === undefined ? message : `${message} ${key}`))).toEqual(lines);
});

test('a policy that is not known: the line names it', () => {
  const decision = compile([]).evaluate(TLS, { namespace: 'ns1', authorizationPolicies: ['a/b'] });
  expect(policyLines(decision)).toEqual([{ message: 'unknown policy, deny', policy: 'a/b' }]);
});
