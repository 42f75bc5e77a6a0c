import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Connection, decide, type Match, matchesPolicy, type Policy, type Rule } from './index.ts';

const plain: Connection = {
  identity: undefined,
  sourceIp: '127.0.0.1',
  destinationIp: '127.0.0.2',
  destinationPort: 8080,
};
const tls: Connection = {
  ...plain,
  identity: { trustDomain: 'td', namespace: 'namespace', serviceAccount: 'account' },
};
const alt: Connection = {
  identity: { trustDomain: 'td-alt', namespace: 'ns-alt', serviceAccount: 'sa=alt' },
  sourceIp: '127.0.0.3',
  destinationIp: '127.0.0.4',
  destinationPort: 9090,
};
const exact = (value: string) => ({ kind: 'exact', value }) as const;
const prefix = (value: string) => ({ kind: 'prefix', value }) as const;
const presence = { kind: 'presence' } as const;
const range = (address: string, length: number) => ({ address, length });
const account = { namespace: 'namespace', serviceAccount: 'account' };
const single = (match: Match): Rule[] => [[[match]]];

test.each<[string, Match, boolean, boolean, boolean]>([
  ['namespaces', { namespaces: [exact('namespace')] }, false, true, false],
  ['not namespaces', { notNamespaces: [exact('namespace')] }, true, false, true],
  ['service accounts', { serviceAccounts: [account] }, false, true, false],
  ['not service accounts', { notServiceAccounts: [account] }, true, false, true],
  ['principals', { principals: [exact('td/ns/namespace/sa/account')] }, false, true, false],
  ['not principals', { notPrincipals: [exact('td/ns/namespace/sa/account')] }, true, false, true],
  ['source ips', { sourceIps: [range('127.0.0.1', 32)] }, true, true, false],
  ['not source ips', { notSourceIps: [range('127.0.0.1', 32)] }, false, false, true],
  ['destination ips', { destinationIps: [range('127.0.0.2', 32)] }, true, true, false],
  ['not destination ips', { notDestinationIps: [range('127.0.0.2', 32)] }, false, false, true],
  ['host bits in a range', { destinationIps: [range('127.0.0.1', 24)] }, true, true, true],
  ['ports', { destinationPorts: [8080] }, true, true, false],
  ['not ports', { notDestinationPorts: [8080] }, false, false, true],
  ['principal with spiffe://', { principals: [exact('spiffe://td/ns/namespace/sa/account')] }, false, false, false],
  ['principal prefix ""', { principals: [prefix('')] }, false, true, true],
  ['namespace prefix ""', { namespaces: [prefix('')] }, true, true, true],
  ['namespace presence', { namespaces: [presence] }, false, true, true],
  ['principal presence', { principals: [presence] }, false, true, true],
  ['mapped range and v4', { sourceIps: [range('::ffff:127.0.0.1', 128)] }, false, false, false],
  ['both signs', { sourceIps: [range('127.0.0.1', 32)], notSourceIps: [range('127.0.0.1', 32)] }, false, false, false],
  ['no values', { namespaces: [] }, false, false, false],
])('spec policy.md 7.1, 7.11: %s', (_, match, onPlain, onTls, onAlt) => {
  const rules = single(match);
  expect([plain, tls, alt].map((connection) => matchesPolicy({ rules }, connection))).toEqual([onPlain, onTls, onAlt]);
});

test.each<[string, Rule[], boolean]>([
  ['an empty match matches nothing', [[[{}]]], false],
  ['a clause without matches matches everything', [[[]]], true],
  ['a rule without clauses matches everything', [[]], true],
  ['no rules match nothing', [], false],
])('spec policy.md 7.2: %s', (_, rules, expected) => {
  expect(matchesPolicy({ rules }, plain)).toBe(expected);
});

test('families never cross', () => {
  expect(matchesPolicy({ rules: single({ sourceIps: [range('0.0.0.0', 0)] }) }, { ...plain, sourceIp: '::1' })).toBe(
    false,
  );
});

const policy = (name: string, over: Partial<Policy>): Policy => ({
  name,
  namespace: 'ns1',
  scope: 'Namespace',
  action: 'Allow',
  dryRun: false,
  rules: [[]],
  ...over,
});
const from = (name: string): Connection => ({
  ...plain,
  identity: { trustDomain: 'cluster.local', namespace: 'default', serviceAccount: name },
});
const principal = (name: string): Rule[] => single({ principals: [exact(`cluster.local/ns/default/sa/${name}`)] });
const decisive = [
  policy('dry-allow', { dryRun: true }),
  policy('dry-deny', { dryRun: true, action: 'Deny' }),
  policy('foo', { rules: principal('defaultacct') }),
  policy('deny', { action: 'Deny', rules: principal('denyacct') }),
];

test('an action that is none denies', () => {
  const misspelt: Policy = JSON.parse(JSON.stringify({ ...policy('shout', {}), action: 'DENY' }));
  expect(decide([misspelt], plain)).toEqual({ allowed: false, reason: 'unknown action of policy ns1/shout' });
});

test.each([
  { policies: [], caller: 'defaultacct', verdict: { allowed: true, policy: undefined } },
  { policies: decisive, caller: 'defaultacct', verdict: { allowed: true, policy: 'ns1/foo' } },
  {
    policies: decisive,
    caller: 'other',
    verdict: { allowed: false, reason: 'allow policies exist, but none allowed' },
  },
  { policies: decisive, caller: 'denyacct', verdict: { allowed: false, reason: 'explicitly denied by: ns1/deny' } },
  {
    policies: [policy('nothing', { rules: [] })],
    caller: 'defaultacct',
    verdict: { allowed: false, reason: 'allow policies exist, but none allowed' },
  },
  {
    policies: [policy('nothing', { action: 'Deny', rules: [] })],
    caller: 'defaultacct',
    verdict: { allowed: true, policy: undefined },
  },
])('spec policy.md 7.6: $caller under $policies.length policies', ({ policies, caller, verdict }) => {
  expect(decide(policies, from(caller))).toEqual(verdict);
});

const anyPolicy = fc.record({
  name: fc.constantFrom('a', 'b', 'c'),
  namespace: fc.constant('ns1'),
  scope: fc.constantFrom('Global', 'Namespace', 'WorkloadSelector'),
  action: fc.constantFrom('Allow', 'Deny'),
  dryRun: fc.boolean(),
  rules: fc.constantFrom<Rule[]>([], [[]], single({}), principal('x'), single({ destinationPorts: [8080] })),
}) as fc.Arbitrary<Policy>;

test('the order of policies does not change whether a connection passes, and a matching DENY always wins', () => {
  fc.assert(
    fc.property(
      fc.array(anyPolicy, { maxLength: 6 }),
      fc.constantFrom(plain, from('x'), alt),
      (policies, connection) => {
        const verdict = decide(policies, connection);
        expect(decide(policies.toReversed(), connection).allowed).toBe(verdict.allowed);
        if (policies.some((one) => one.action === 'Deny' && !one.dryRun && matchesPolicy(one, connection)))
          expect(verdict.allowed).toBe(false);
      },
    ),
  );
});
