import { expect, test } from 'vitest';
import type { AddressRange, Match, Rule, StringMatch } from '../policy.ts';
import { exact } from '../testing/build-policy.ts';
import { findNeededValues, isExact, type NeededValue } from './needed-values.ts';

const a: Match = { principals: [exact('a')] };
const bOrC: Match = { principals: [exact('b'), exact('c')], destinationPorts: [80] };
const port: Match = { destinationPorts: [80] };
const prefix: StringMatch = { kind: 'prefix', value: 'a' };
const range: AddressRange = { address: '10.0.0.0', length: 8 };
const inRange: Match = { sourceIps: [range] };
const account: Match = { serviceAccounts: [{ namespace: 'n', serviceAccount: 's' }] };

const principal = (pattern: StringMatch): NeededValue => ({ kind: 'principal', pattern });
const [needsA, needsB, needsC] = ['a', 'b', 'c'].map((value) => principal(exact(value)));
const needsPrefix = principal(prefix);
const needsSource: NeededValue = { kind: 'sourceIp', range };
const needsN: NeededValue = { kind: 'namespace', namespace: 'n' };

test.each<[string, Rule, readonly unknown[] | undefined]>([
  ['a match', [[a]], [needsA]],
  ['several values', [[bOrC]], [needsB, needsC]],
  ['several matches', [[a, bOrC]], [needsA, needsB, needsC]],
  ['several clauses: the first', [[a], [bOrC]], [needsA]],
  ['a clause after others', [[], [port], [a, port], [bOrC]], [needsB, needsC]],
  ['no clause', [], undefined],
  ['an empty clause', [[]], undefined],
  ['a match of something else', [[port]], undefined],
  ['one of two matches of something else', [[a, port]], undefined],
  ['an empty match', [[{}, a]], undefined],
  ['an empty list', [[{ principals: [], destinationPorts: [80] }]], undefined],
  ['a list of all principals but one', [[{ notPrincipals: [exact('a')] }]], undefined],
  ['a prefix', [[{ principals: [prefix] }]], [needsPrefix]],
  ['an exact text or a prefix', [[{ principals: [exact('a'), prefix] }]], [needsA, needsPrefix]],
  ['an exact text, after a prefix', [[{ principals: [prefix] }], [inRange], [a]], [needsA]],
  ['exact texts, after a clause of some', [[inRange, a], [bOrC]], [needsB, needsC]],
  ['what cannot be looked up: the first', [[{ principals: [prefix] }], [inRange]], [needsPrefix]],
  ['a source', [[inRange]], [needsSource]],
  ['a destination', [[{ destinationIps: [range] }]], [{ kind: 'destinationIp', range }]],
  ['a principal or a source', [[a, inRange]], [needsA, needsSource]],
  ['an account', [[account]], [needsN]],
  ['a namespace', [[{ namespaces: [exact('n')] }]], [needsN]],
  ['a namespace or a prefix of one', [[{ namespaces: [exact('n'), prefix] }]], undefined],
  ['a principal of a namespace', [[{ ...account, ...a, ...inRange }]], [needsA]],
  ['an account from a source', [[{ ...account, ...inRange, namespaces: [exact('m')] }]], [needsN]],
])('a rule of %s', (_, rule, needed) => {
  expect(findNeededValues(rule)).toEqual(needed);
});

test.each<[NeededValue | undefined, boolean]>([
  [needsA, true],
  [needsPrefix, false],
  [needsN, true],
  [needsSource, false],
])('%j can be looked up: %j', (value, expected) => {
  expect(value && isExact(value)).toBe(expected);
});
