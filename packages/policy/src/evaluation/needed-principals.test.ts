import { expect, test } from 'vitest';
import type { Match, Rule } from '../policy.ts';
import { exact } from '../testing/build-policy.ts';
import { findNeededPrincipals } from './needed-principals.ts';

const a: Match = { principals: [exact('a')] };
const bOrC: Match = { principals: [exact('b'), exact('c')], destinationPorts: [80] };
const port: Match = { destinationPorts: [80] };

test.each<[string, Rule, readonly string[] | undefined]>([
  ['a match', [[a]], ['a']],
  ['several values', [[bOrC]], ['b', 'c']],
  ['several matches', [[a, bOrC]], ['a', 'b', 'c']],
  ['several clauses', [[a], [bOrC]], ['a']],
  ['a clause after others', [[], [port], [a, port], [bOrC]], ['b', 'c']],
  ['no clause', [], undefined],
  ['an empty clause', [[]], undefined],
  ['a match of something else', [[port]], undefined],
  ['one of two matches of something else', [[a, port]], undefined],
  ['an empty list', [[{ principals: [], destinationPorts: [80] }]], undefined],
  ['a list of all principals but one', [[{ notPrincipals: [exact('a')] }]], undefined],
  ['a prefix', [[{ principals: [{ kind: 'prefix', value: 'a' }] }]], undefined],
  ['an exact text or a prefix', [[{ principals: [exact('a'), { kind: 'prefix', value: 'b' }] }]], undefined],
  ['any principal', [[{ principals: [{ kind: 'presence' }] }]], undefined],
])('a rule of %s needs %j: %j', (_, rule, needed) => {
  expect(findNeededPrincipals(rule)).toEqual(needed && new Set(needed));
});
