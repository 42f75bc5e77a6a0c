import { expect, test } from 'vitest';
import type { Connection, Policy, Rule } from '../policy.ts';
import { buildPolicy, CONNECTIONS, exact, ruleOf } from '../testing/build-policy.ts';
import type { Verdict } from './decision.ts';
import { compile } from './policy-set.ts';

const workload1 = { namespace: 'ns1', authorizationPolicies: [] };
const workload2 = { namespace: 'ns2', authorizationPolicies: [] };

const callBy = (serviceAccount: string): Connection => ({
  ...CONNECTIONS.plain,
  identity: { trustDomain: 'cluster.local', namespace: 'default', serviceAccount },
});
const callers = (...accounts: readonly string[]): readonly Rule[] =>
  ruleOf({ principals: accounts.map((account) => exact(`cluster.local/ns/default/sa/${account}`)) });

const PASSES = { allowed: true, code: 'NO_ALLOW_POLICIES', policy: undefined, rule: undefined, reason: '' } as const;
const NOT_ALLOWED = {
  allowed: false,
  code: 'NOT_ALLOWED',
  policy: undefined,
  rule: undefined,
  reason: 'allow policies exist, but none allowed',
} as const;
const allowedBy = (policy: string, rule = 0): Verdict => ({ allowed: true, code: 'ALLOWED', policy, rule, reason: '' });
const deniedBy = (policy: string, rule = 0): Verdict => ({
  allowed: false,
  code: 'DENIED',
  policy,
  rule,
  reason: `explicitly denied by: ${policy}`,
});
const missing = (reason: string): Verdict => ({
  allowed: false,
  code: 'POLICY_MISSING',
  policy: undefined,
  rule: undefined,
  reason,
});

const POLICIES = [
  buildPolicy({ name: 'dry-run-allow', dryRun: true }),
  buildPolicy({ name: 'dry-run-deny', dryRun: true, action: 'Deny' }),
  buildPolicy({ name: 'foo', rules: callers('defaultacct') }),
  buildPolicy({ name: 'deny', action: 'Deny', rules: callers('denyacct') }),
];

test.each([
  { policies: POLICIES, to: workload2, by: 'not-defaultacct', verdict: PASSES },
  { policies: POLICIES, to: workload1, by: 'defaultacct', verdict: allowedBy('ns1/foo') },
  { policies: POLICIES, to: workload1, by: 'not-defaultacct', verdict: NOT_ALLOWED },
  { policies: POLICIES, to: workload1, by: 'denyacct', verdict: deniedBy('ns1/deny') },
  { policies: [], to: workload1, by: 'defaultacct', verdict: PASSES },
])('spec policy.md 7.6: $by to $to.namespace under $policies.length policies: $verdict.code', (row) => {
  expect(compile(row.policies).evaluate(callBy(row.by), row.to)).toMatchObject(row.verdict);
});

test('spec policy.md 7.7: dry-run policies beside real ones', () => {
  const set = compile([
    buildPolicy({ name: 'dry-run-allow', dryRun: true, rules: callers('defaultacct') }),
    buildPolicy({ name: 'dry-run-deny', dryRun: true, action: 'Deny', rules: callers('defaultacct', 'denyacct') }),
    buildPolicy({ name: 'allow', rules: callers('defaultacct') }),
    buildPolicy({ name: 'deny', action: 'Deny', rules: callers('denyacct') }),
  ]);
  expect(set.evaluate(callBy('defaultacct'), workload1)).toEqual({
    ...allowedBy('ns1/allow'),
    missing: [],
    shadows: [
      { policy: 'ns1/dry-run-deny', action: 'Deny', matches: true, verdict: deniedBy('ns1/dry-run-deny') },
      { policy: 'ns1/dry-run-allow', action: 'Allow', matches: true, verdict: allowedBy('ns1/allow') },
    ],
    shadow: deniedBy('ns1/dry-run-deny'),
  });
  expect(set.evaluate(callBy('denyacct'), workload1)).toMatchObject({
    ...deniedBy('ns1/deny'),
    shadows: [
      { matches: true, verdict: deniedBy('ns1/deny') },
      { matches: false, verdict: deniedBy('ns1/deny') },
    ],
    shadow: deniedBy('ns1/deny'),
  });
});

test('an ALLOW that is only tried would deny what it does not match', () => {
  const set = compile([buildPolicy({ dryRun: true, rules: callers('defaultacct') })]);
  expect(set.evaluate(callBy('other'), workload1)).toEqual({
    ...PASSES,
    missing: [],
    shadows: [{ policy: 'ns1/p', action: 'Allow', matches: false, verdict: NOT_ALLOWED }],
    shadow: NOT_ALLOWED,
  });
});

test('each shadow is of one policy, `shadow` of all together', () => {
  const set = compile([
    buildPolicy({ name: 'narrow', dryRun: true, rules: callers('x') }),
    buildPolicy({ name: 'wide', dryRun: true, rules: callers('y') }),
  ]);
  expect(set.evaluate(callBy('y'), workload1)).toMatchObject({
    shadows: [
      { policy: 'ns1/narrow', verdict: NOT_ALLOWED },
      { policy: 'ns1/wide', verdict: allowedBy('ns1/wide') },
    ],
    shadow: allowedBy('ns1/wide'),
  });
});

test.each<[string, Partial<Policy>, Verdict]>([
  ['n ALLOW without rules', { rules: [] }, NOT_ALLOWED],
  ['o DENY without rules', { action: 'Deny', rules: [] }, PASSES],
])('spec policy.md 7.11 %s', (_, over, verdict) => {
  const decision = compile([buildPolicy(over)]).evaluate(CONNECTIONS.tls, workload1);
  expect(decision).toEqual({ ...verdict, missing: [], shadows: [], shadow: undefined });
});

const judgeY = (policy: Partial<Policy>): Verdict => compile([buildPolicy(policy)]).evaluate(callBy('y'), workload1);

test('the first rule that matches is named, whatever it asks for', () => {
  const rules = [...callers('x'), ...ruleOf({ destinationPorts: [8080] }), ...callers('y'), ...callers('y')];
  const rulesOfY = [...callers('x'), ...callers('y'), ...callers('y'), ...ruleOf({ destinationPorts: [8080] })];
  expect(judgeY({ rules })).toMatchObject(allowedBy('ns1/p', 1));
  expect(judgeY({ rules, action: 'Deny' })).toMatchObject(deniedBy('ns1/p', 1));
  expect(judgeY({ rules: rulesOfY })).toMatchObject(allowedBy('ns1/p', 1));
  expect(judgeY({ rules: rules.slice(2) })).toMatchObject(allowedBy('ns1/p', 0));
});

test('of several policies that match, the first that applies is named', () => {
  const policies = [buildPolicy({ name: 'first' }), buildPolicy({ name: 'second' })];
  const denying = policies.map((policy): Policy => ({ ...policy, action: 'Deny' }));
  expect(compile(policies).evaluate(CONNECTIONS.tls, workload1)).toMatchObject(allowedBy('ns1/first'));
  expect(compile(denying).evaluate(CONNECTIONS.tls, workload1)).toMatchObject(deniedBy('ns1/first'));
});

const late = { namespace: 'ns1', authorizationPolicies: ['ns1/late', 'ns1/later', 'ns1/late'] };

test.each<[string, readonly Policy[], Verdict, Verdict]>([
  // Spec policy.md 7.11 m is what the reference does: the second column.
  ['no other policy', [], missing('policy ns1/late and 1 more have not arrived yet'), PASSES],
  [
    'an ALLOW that matches',
    [buildPolicy()],
    missing('policy ns1/late and 1 more have not arrived yet'),
    allowedBy('ns1/p'),
  ],
  [
    'an ALLOW that does not',
    [buildPolicy({ rules: [] })],
    missing('policy ns1/late and 1 more have not arrived yet'),
    NOT_ALLOWED,
  ],
  ['a DENY that matches', [buildPolicy({ action: 'Deny' })], deniedBy('ns1/p'), deniedBy('ns1/p')],
  [
    'one of them',
    [buildPolicy({ name: 'later' })],
    missing('policy ns1/late has not arrived yet'),
    allowedBy('ns1/later'),
  ],
])('policies that are named and not known, beside %s', (_, policies, denying, skipping) => {
  const keys = ['ns1/late', 'ns1/later'].filter((key) => policies[0]?.name !== 'later' || key === 'ns1/late');
  const told = { missing: keys, shadows: [], shadow: undefined };
  const set = compile(policies);
  expect(set.evaluate(CONNECTIONS.tls, late)).toEqual({ ...denying, ...told });
  expect(set.evaluate(CONNECTIONS.tls, late, { missing: 'skip' })).toEqual({ ...skipping, ...told });
  const lenient = compile(policies, { missing: 'skip' });
  expect(lenient.evaluate(CONNECTIONS.tls, late)).toEqual({ ...skipping, ...told });
  expect(lenient.evaluate(CONNECTIONS.tls, late, { missing: 'deny' })).toEqual({ ...denying, ...told });
});

test('shadows are denied, too, while a policy is missing, and not if it is skipped', () => {
  const set = compile([buildPolicy({ dryRun: true })]);
  const reason = 'policy ns1/late and 1 more have not arrived yet';
  expect(set.evaluate(CONNECTIONS.tls, late)).toMatchObject({
    ...missing(reason),
    shadows: [{ matches: true, verdict: missing(reason) }],
    shadow: missing(reason),
  });
  expect(set.evaluate(CONNECTIONS.tls, late, { missing: 'skip' })).toMatchObject({
    ...PASSES,
    shadows: [{ matches: true, verdict: allowedBy('ns1/p') }],
    shadow: allowedBy('ns1/p'),
  });
});
