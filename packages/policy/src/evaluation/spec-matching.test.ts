import { expect, test } from 'vitest';
import { readMessage } from '../message/read-message.ts';
import type { Connection, Match, Rule } from '../policy.ts';
import { buildPolicy, CONNECTIONS, exact, ruleOf } from '../testing/build-policy.ts';
import { compile } from './policy-set.ts';

const { plain, tls, alt } = CONNECTIONS;
const IN_NS1 = { namespace: 'ns1', authorizationPolicies: [] };

/** Whether rules match, as seen from outside: an ALLOW policy of them allows. */
function matches(rules: readonly Rule[], connection: Connection): boolean {
  return compile([buildPolicy({ rules })]).evaluate(connection, IN_NS1).allowed;
}

const account = { namespace: 'namespace', serviceAccount: 'account' };
const prefixed = (value: string) => ({ kind: 'prefix', value }) as const;
const suffixed = (value: string) => ({ kind: 'suffix', value }) as const;
const presence = { kind: 'presence' } as const;
const range = (address: string, length: number) => ({ address, length });

test.each<[string, Match, boolean, boolean, boolean]>([
  ['7.1 1 namespaces', { namespaces: [exact('namespace')] }, false, true, false],
  ['7.1 2 not namespaces', { notNamespaces: [exact('namespace')] }, true, false, true],
  ['7.1 3 service accounts', { serviceAccounts: [account] }, false, true, false],
  ['7.1 4 not service accounts', { notServiceAccounts: [account] }, true, false, true],
  ['7.1 5 principals', { principals: [exact('td/ns/namespace/sa/account')] }, false, true, false],
  ['7.1 6 not principals', { notPrincipals: [exact('td/ns/namespace/sa/account')] }, true, false, true],
  ['7.1 7 source ips', { sourceIps: [range('127.0.0.1', 32)] }, true, true, false],
  ['7.1 8 not source ips', { notSourceIps: [range('127.0.0.1', 32)] }, false, false, true],
  ['7.1 9 destination ips', { destinationIps: [range('127.0.0.2', 32)] }, true, true, false],
  ['7.1 10 not destination ips', { notDestinationIps: [range('127.0.0.2', 32)] }, false, false, true],
  ['7.1 11 host bits in a range', { destinationIps: [range('127.0.0.1', 24)] }, true, true, true],
  ['7.1 12 destination ports', { destinationPorts: [8080] }, true, true, false],
  ['7.1 13 not destination ports', { notDestinationPorts: [8080] }, false, false, true],
  ['7.10 spiffe://', { principals: [exact('spiffe://cluster.local/ns/default/sa/waypoint')] }, false, false, false],
  ['7.11 a spiffe://', { principals: [exact('spiffe://td/ns/namespace/sa/account')] }, false, false, false],
  ['not spiffe://', { notPrincipals: [exact('spiffe://td/ns/namespace/sa/account')] }, true, true, true],
  ['7.11 b principal prefix ""', { principals: [prefixed('')] }, false, true, true],
  ['not principal prefix ""', { notPrincipals: [prefixed('')] }, true, false, false],
  ['7.11 c namespace prefix ""', { namespaces: [prefixed('')] }, true, true, true],
  ['not namespace prefix ""', { notNamespaces: [prefixed('')] }, false, false, false],
  ['7.11 d namespace presence', { namespaces: [presence] }, false, true, true],
  ['7.11 e principal presence', { principals: [presence] }, false, true, true],
  ['7.11 f mapped range', { sourceIps: [range('::ffff:127.0.0.1', 128)] }, false, false, false],
  [
    '7.11 h both signs',
    { sourceIps: [range('127.0.0.1', 32)], notSourceIps: [range('127.0.0.1', 32)] },
    false,
    false,
    false,
  ],
  ['a namespace is no principal', { principals: [exact('namespace')] }, false, false, false],
  ['principal suffix', { principals: [suffixed('/sa/account')] }, false, true, false],
  ['exact or prefix', { principals: [exact('other'), prefixed('td-alt/')] }, false, false, true],
  ['prefix or exact', { namespaces: [prefixed('other'), exact('ns-alt')] }, false, false, true],
  ['any of many', { destinationPorts: [1, 9090] }, false, false, true],
  ['any of many accounts', { serviceAccounts: [{ ...account, namespace: 'x' }, account] }, false, true, false],
  ['any of many ranges', { sourceIps: [range('10.0.0.0', 8), range('127.0.0.2', 31)] }, false, false, true],
  ['all fields', { destinationPorts: [8080], namespaces: [exact('ns-alt')] }, false, false, false],
  ['empty lists only', { namespaces: [], notDestinationPorts: [] }, false, false, false],
  ['an empty list beside another', { namespaces: [], destinationPorts: [8080] }, true, true, false],
])('spec policy.md %s', (_, match, onPlain, onTls, onAlt) => {
  const rules = ruleOf(match);
  expect([plain, tls, alt].map((connection) => matches(rules, connection))).toEqual([onPlain, onTls, onAlt]);
});

test.each<[string, Rule[], boolean]>([
  ['an empty match', [[[{}]]], false],
  ['an empty clause', [[[]]], true],
  ['a rule without clauses', [[]], true],
  ['no rules', [], false],
  ['an empty match or one that holds', [[[{}, { destinationPorts: [8080] }]]], true],
  ['an empty clause and one that fails', [[[], [{ destinationPorts: [1] }]]], false],
  ['a rule that fails or one without clauses', [[[{}]], []], true],
])('spec policy.md 7.2: %s, on plain: %j, %j', (_, rules, expected) => {
  expect(matches(rules, plain)).toBe(expected);
});

const from = (namespace: string, destinationPort: number): Connection => ({
  ...plain,
  identity: { trustDomain: 'td', namespace, serviceAccount: 'sa' },
  destinationPort,
});
const a = { namespaces: [exact('a')] };
const b = { namespaces: [exact('b')] };

// The table's network is nothing that a condition can see.
test.each([
  ['a', 80, true],
  ['b', 80, true],
  ['bad', 80, false],
  ['b', 12_345, false],
])('spec policy.md 7.3: namespace %s to port %i passes (a or b) and 80: %j', (namespace, port, expected) => {
  expect(matches([[[a, b], [{ destinationPorts: [80] }]]], from(namespace, port))).toBe(expected);
});

test.each([
  ['a', true],
  ['b', true],
  ['bad', false],
])('spec policy.md 7.4: namespace %s passes the rules a, b: %j', (namespace, expected) => {
  expect(matches([[[a]], [[b]]], from(namespace, 80))).toBe(expected);
});

test('spec policy.md 7.11 g: a range of all IPv4 addresses has no IPv6 one', () => {
  expect(matches(ruleOf({ sourceIps: [range('0.0.0.0', 0)] }), { ...plain, sourceIp: '::1' })).toBe(false);
  expect(matches(ruleOf({ sourceIps: [range('0.0.0.0', 0)] }), plain)).toBe(true);
});

test('spec policy.md 7.11 l: service accounts are of any trust domain', () => {
  const foreign = { ...tls, identity: { trustDomain: 'elsewhere', ...account } };
  expect(matches(ruleOf({ serviceAccounts: [account] }), foreign)).toBe(true);
});

test.each([
  ['7.11 i a pattern that says nothing beside a port', { namespaces: [{}], destinationPorts: [8080] }, true],
  ['7.11 j a pattern that says nothing', { namespaces: [{}] }, false],
  ['7.11 k a port is cut to 16 bits', { destinationPorts: [73_616] }, true],
  ['§2 an address of 3 bytes', { sourceIps: [{ address: 'AQID', length: 8 }] }, false],
  ['§2 a length of 33', { notSourceIps: [{ address: 'CgAAAA==', length: 33 }] }, false],
])('spec policy.md %s, on plain: %j, %j', (_, match, expected) => {
  const message = { name: 'p', namespace: 'ns1', scope: 'NAMESPACE', groups: [{ rules: [{ matches: [match] }] }] };
  expect(compile([readMessage(message)]).evaluate(plain, IN_NS1).allowed).toBe(expected);
});

test('spec policy.md 7.11 p: an unknown action is refused', () => {
  expect(() => readMessage({ name: 'p', namespace: 'ns1', action: 7 })).toThrow(
    expect.objectContaining({ code: 'POLICY_INVALID' }),
  );
});
