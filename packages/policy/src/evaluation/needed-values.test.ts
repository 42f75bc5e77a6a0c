import { expect, test } from 'vitest';
import type { AddressRange, Match, Rule, StringMatch } from '../policy.ts';
import { exact } from '../testing/build-policy.ts';
import { findNeededValues } from './needed-values.ts';

const a: Match = { principals: [exact('a')] };
const bOrC: Match = { principals: [exact('b'), exact('c')], destinationPorts: [80] };
const port: Match = { destinationPorts: [80] };
const prefix: StringMatch = { kind: 'prefix', value: 'a' };
const range: AddressRange = { address: '10.0.0.0', length: 8 };
const inRange: Match = { sourceIps: [range] };
const account: Match = { serviceAccounts: [{ namespace: 'n', serviceAccount: 's' }] };

const suffix: StringMatch = { kind: 'suffix', value: 'bc' };
const presence: StringMatch = { kind: 'presence' };
const unreadable: AddressRange = { address: 'nowhere', length: 8 };

/** As texts: in which place which key. */
function listNeeded(rule: Rule): readonly string[] | undefined {
  return findNeededValues(rule)?.map(({ place, key }) => `${place.name}: ${key}`);
}
const TEN = 0x0a000000;
const needsA = 'principal: a';
const needsB = 'principal: b';
const needsC = 'principal: c';
const needsPrefix = 'principal prefix 1: a';
const needsSource = `sourceIp 4 -1,-1,-1,-16777216: ${TEN}`;
const needsDestination = `destinationIp 4 -1,-1,-1,-16777216: ${TEN}`;
const needsN = 'namespace: n';
const needsPort = 'destinationPort: 80';

test.each<[string, Rule, readonly string[] | undefined]>([
  ['a match', [[a]], [needsA]],
  ['several values', [[bOrC]], [needsB, needsC]],
  ['several matches', [[a, bOrC]], [needsA, needsB, needsC]],
  ['several clauses: the first', [[a], [bOrC]], [needsA]],
  ['a clause after others', [[], [port], [a, port], [bOrC]], [needsB, needsC]],
  ['no clause', [], undefined],
  ['an empty clause', [[]], undefined],
  ['a port', [[port]], [needsPort]],
  ['a principal or a port', [[a, port]], [needsA, needsPort]],
  ['a principal or anything else', [[a, { notPrincipals: [prefix] }]], undefined],
  ['an empty match', [[{}, a]], undefined],
  ['an empty list', [[{ principals: [], notDestinationPorts: [80] }]], undefined],
  ['an empty list and a port', [[{ principals: [], destinationPorts: [80] }]], [needsPort]],
  ['a list of all principals but one', [[{ notPrincipals: [exact('a')] }]], undefined],
  ['a prefix', [[{ principals: [prefix] }]], [needsPrefix]],
  ['an exact text or a prefix', [[{ principals: [exact('a'), prefix] }]], [needsA, needsPrefix]],
  ['an exact text, after a prefix', [[{ principals: [prefix] }], [inRange], [a]], [needsA]],
  ['exact texts, after a clause of some', [[inRange, a], [bOrC]], [needsB, needsC]],
  ['what cannot be looked up: the first', [[{ principals: [prefix] }], [inRange]], [needsPrefix]],
  ['a source', [[inRange]], [needsSource]],
  ['a destination', [[{ destinationIps: [range] }]], [needsDestination]],
  ['a principal or a source', [[a, inRange]], [needsA, needsSource]],
  ['an account', [[account]], [needsN]],
  ['a namespace', [[{ namespaces: [exact('n')] }]], [needsN]],
  ['a namespace or a prefix of one', [[{ namespaces: [exact('n'), prefix] }]], [needsN, 'namespace prefix 1: a']],
  ['a suffix', [[{ principals: [suffix] }]], ['principal suffix 2: bc']],
  ['a suffix of a namespace', [[{ namespaces: [suffix] }]], ['namespace suffix 2: bc']],
  ['any principal', [[{ principals: [presence] }]], undefined],
  ['any namespace, or one', [[{ namespaces: [exact('n'), presence] }]], undefined],
  ['any principal from a source', [[{ principals: [presence], sourceIps: [range] }]], [needsSource]],
  ['a range that cannot be read', [[{ sourceIps: [range, unreadable] }]], undefined],
  ['a port, before a prefix', [[port], [{ principals: [prefix] }]], [needsPrefix]],
  ['a port, after a range', [[inRange], [port]], [needsSource]],
  ['a namespace, after a prefix', [[{ principals: [prefix] }], [account]], [needsN]],
  ['a namespace, before a principal', [[account], [a]], [needsN]],
  ['a prefix or a port, before a range', [[{ principals: [prefix] }, port], [inRange]], [needsSource]],
  ['a principal of a namespace', [[{ ...account, ...a, ...inRange }]], [needsA]],
  ['an account from a source', [[{ ...account, ...inRange, namespaces: [exact('m')] }]], [needsN]],
])('a rule of %s', (_, rule, needed) => {
  expect(listNeeded(rule)).toEqual(needed);
});
