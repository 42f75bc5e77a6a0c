import { expect, test } from 'vitest';
import type { Policy, TargetWorkload } from '../policy.ts';
import { buildPolicy, CONNECTIONS, ruleOf } from '../testing/build-policy.ts';
import { effectiveScope } from './effective-scope.ts';
import { policyKey } from './policy-key.ts';
import { checkPolicy, compile, PolicySet } from './policy-set.ts';

const { plain } = CONNECTIONS;
const workloadOf = (namespace: string, ...authorizationPolicies: readonly string[]) => ({
  namespace,
  authorizationPolicies,
});

/** Keys of the policies that apply. */
function selectKeys(set: PolicySet, namespace: string, ...named: readonly string[]): readonly string[] {
  return set.select(workloadOf(namespace, ...named)).policies.map(policyKey);
}

test('spec policy.md 7.8: a policy whose scope changes applies elsewhere', () => {
  const policy = buildPolicy({ name: 'test_policy', namespace: 'default' });
  const set = compile([policy]);
  expect(selectKeys(set, 'default')).toEqual(['default/test_policy']);
  set.put({ ...policy, scope: 'WorkloadSelector' });
  expect(selectKeys(set, 'default')).toEqual([]);
  expect(selectKeys(set, 'other', 'default/test_policy')).toEqual(['default/test_policy']);
  set.put({ ...policy, scope: 'Global' });
  expect(selectKeys(set, 'other')).toEqual(['default/test_policy']);
  set.put(policy);
  expect(selectKeys(set, 'other')).toEqual([]);
  expect(selectKeys(set, 'default')).toEqual(['default/test_policy']);
  expect(set.size).toBe(1);
});

test('those of the namespace, global ones, those that are named: each once, in this order', () => {
  const set = compile([
    buildPolicy({ name: 'named', scope: 'WorkloadSelector' }),
    buildPolicy({ name: 'global', scope: 'Global' }),
    buildPolicy({ name: 'own' }),
    buildPolicy({ name: 'unnamed', scope: 'WorkloadSelector' }),
    buildPolicy({ name: 'foreign', namespace: 'ns2' }),
    buildPolicy({ name: 'second' }),
  ]);
  const named = ['ns1/named', 'ns1/own', 'ns1/global', 'ns1/named', 'ns2/foreign'];
  expect(selectKeys(set, 'ns1', ...named)).toEqual(['ns1/own', 'ns1/second', 'ns1/global', 'ns1/named', 'ns2/foreign']);
  expect(selectKeys(set, 'ns2')).toEqual(['ns2/foreign', 'ns1/global']);
  expect(selectKeys(set, '')).toEqual(['ns1/global']);
});

test('a policy for the namespace without a name applies to everybody, as in the reference', () => {
  const set = compile([buildPolicy({ namespace: '', action: 'Deny' })]);
  expect(selectKeys(set, 'ns1')).toEqual(['/p']);
  expect(set.evaluate(plain, workloadOf('ns1')).code).toBe('DENIED');
  expect(set.remove('/p')).toBe(true);
  expect(selectKeys(set, 'ns1')).toEqual([]);
});

test.each<[Policy['scope'], string, Policy['scope']]>([
  ['Namespace', '', 'Global'],
  ['Namespace', 'a', 'Namespace'],
  ['WorkloadSelector', '', 'WorkloadSelector'],
  ['Global', 'a', 'Global'],
])('scope %s of namespace "%s" is %s', (scope, namespace, expected) => {
  expect(effectiveScope({ scope, namespace })).toBe(expected);
});

test('keys that nobody has put are told, each once, in the order named', () => {
  const set = compile([buildPolicy()]);
  expect(set.select(workloadOf('ns1', 'b/late', 'ns1/p', 'a/late', 'b/late')).missing).toEqual(['b/late', 'a/late']);
  set.put(buildPolicy({ namespace: 'b', name: 'late', scope: 'WorkloadSelector' }));
  expect(set.select(workloadOf('ns1', 'b/late')).missing).toEqual([]);
  set.remove('b/late');
  expect(set.select(workloadOf('ns1', 'b/late')).missing).toEqual(['b/late']);
});

test.each<Policy['scope']>(['Global', 'Namespace', 'WorkloadSelector'])('a policy of scope %s is removed', (scope) => {
  const set = compile([buildPolicy({ scope }), buildPolicy({ name: 'other' })]);
  expect(set.size).toBe(2);
  expect(set.remove('ns1/p')).toBe(true);
  expect(set.remove('ns1/p')).toBe(false);
  expect(set.size).toBe(1);
  expect(set.get('ns1/p')).toBeUndefined();
  expect(set.get('ns1/other')).toEqual(buildPolicy({ name: 'other' }));
  expect(selectKeys(set, 'ns1')).toEqual(['ns1/other']);
});

test('of several policies with one key, the last counts', () => {
  const set = compile([buildPolicy(), buildPolicy({ action: 'Deny' })]);
  expect(set.size).toBe(1);
  expect(set.evaluate(plain, workloadOf('ns1')).code).toBe('DENIED');
});

/** The error that tells mistakes at these places. */
function mistakesAt(...paths: readonly string[]): unknown {
  const problems: unknown = paths.map((path) => expect.objectContaining({ path }));
  return expect.objectContaining({ code: 'POLICY_INVALID', problems });
}

test('what is no policy is refused, and the old version stays in force', () => {
  const set = compile([buildPolicy()]);
  const bad: Policy = JSON.parse(JSON.stringify(buildPolicy({ rules: ruleOf({ destinationPorts: [99_999] }) })));
  const misspelt: Policy = JSON.parse('{"name":"p","namespace":"ns1","scope":"Namespace","action":"DENY"}');
  expect(() => set.put(bad)).toThrow(mistakesAt('rules[0][0][0].destinationPorts[0]'));
  expect(() => set.put(misspelt)).toThrow(mistakesAt('action', 'dryRun', 'rules'));
  expect(set.get('ns1/p')).toEqual(buildPolicy());
  expect(set.evaluate(plain, workloadOf('ns1')).code).toBe('ALLOWED');
  expect(() => compile([bad])).toThrow(mistakesAt('rules[0][0][0].destinationPorts[0]'));
});

test('the set keeps a copy of what was put', () => {
  const ports = [8080];
  const policy = buildPolicy({ rules: ruleOf({ destinationPorts: ports }) });
  const set = compile([policy]);
  ports[0] = 1;
  expect(set.get('ns1/p')).toEqual(buildPolicy({ rules: ruleOf({ destinationPorts: [8080] }) }));
  expect(set.evaluate(plain, workloadOf('ns1')).code).toBe('ALLOWED');
});

test('a connection that has no address is judged by nobody', () => {
  const refused = expect.objectContaining({ code: 'POLICY_CONNECTION_INVALID' });
  const connection = { ...plain, sourceIp: 'nowhere' };
  const set = new PolicySet();
  expect(() => set.evaluate(connection, workloadOf('ns1'))).toThrow(refused);
  expect(() => set.explain(connection, workloadOf('ns1'))).toThrow(refused);
});

test.each<[string, string]>([
  ['{"authorizationPolicies":[]}', 'namespace of the destination: want text, not nothing'],
  ['{"namespace":7,"authorizationPolicies":[]}', 'namespace of the destination: want text, not 7'],
  ['{"namespace":"ns1"}', 'authorizationPolicies of the destination: want a list of texts, not nothing'],
  ['{"namespace":"ns1","authorizationPolicies":"ns1/p"}', 'want a list of texts, not "ns1/p"'],
  [
    '{"namespace":"ns1","authorizationPolicies":["ns1/p",null]}',
    'authorizationPolicies[1] of the destination: want text, not null',
  ],
  ['null', 'destination: want a workload, not null'],
  ['', 'destination: want a workload, not nothing'],
])('a connection to what is no workload, %s, is judged by nobody', (json, message) => {
  const [workload]: [TargetWorkload] = JSON.parse(`[${json}]`);
  const refused = expect.objectContaining({
    code: 'POLICY_CONNECTION_INVALID',
    message: expect.stringContaining(message),
  });
  for (const set of [new PolicySet(), compile([buildPolicy()], { missing: 'skip' })]) {
    expect(() => set.evaluate(plain, workload)).toThrow(refused);
    expect(() => set.explain(plain, workload)).toThrow(refused);
    expect(() => set.select(workload)).toThrow(refused);
  }
});

test('an explanation is of the policies that apply, and has the decision', () => {
  const set = compile([buildPolicy(), buildPolicy({ name: 'q' }), buildPolicy({ namespace: 'ns2' })]);
  const workload = workloadOf('ns1', 'ns1/late');
  const explanation = set.explain(plain, workload);
  expect(explanation.policies.map(({ policy }) => policy)).toEqual(['ns1/p', 'ns1/q']);
  expect(explanation.decision).toEqual(set.evaluate(plain, workload));
  expect(explanation).toMatchObject({ connection: plain, workload, decision: { code: 'POLICY_MISSING' } });
  expect(set.explain(plain, workload, { missing: 'skip' }).decision.code).toBe('ALLOWED');
});

test('a policy that was checked goes into any number of sets, and applies in each as if it were alone', () => {
  const checked = checkPolicy(buildPolicy({ name: 'deny', action: 'Deny' }));
  expect(checked).toMatchObject({ key: 'ns1/deny', policy: { action: 'Deny' } });
  const sets = [new PolicySet(), new PolicySet()];
  for (const set of sets) set.put(checked);
  // Turn by turn, and one more often than the other.
  for (const set of [...sets, ...sets, sets[0]])
    expect(set?.evaluate(plain, workloadOf('ns1', 'ns1/deny')).code).toBe('DENIED');
  sets[0]?.remove('ns1/deny');
  expect(sets.map((set) => set.size)).toEqual([0, 1]);
});

test('a checked policy is a copy', () => {
  const given = { ...buildPolicy({ name: 'deny', action: 'Deny' }) };
  const checked = checkPolicy(given);
  given.action = 'Allow';
  expect(checked.policy.action).toBe('Deny');
});

test('what no policy is does not become one by being checked, nor by looking as if it had been', () => {
  const malformed = { ...buildPolicy(), rules: [[[{ destinationPorts: [-1] }]]] };
  const invalid = expect.objectContaining({ code: 'POLICY_INVALID' });
  expect(() => checkPolicy(malformed)).toThrow(invalid);
  const set = compile([buildPolicy()]);
  expect(() => set.put({ key: 'ns1/p', policy: malformed })).toThrow(invalid);
  expect(set.get('ns1/p')?.rules).toEqual(buildPolicy().rules);
});
