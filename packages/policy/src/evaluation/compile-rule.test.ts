import { expect, test } from 'vitest';
import { readSubject } from '../matching/subject.ts';
import type { Match } from '../policy.ts';
import { CONNECTIONS, exact } from '../testing/build-policy.ts';
import { compileRule } from './compile-rule.ts';

// Checked policies have no such ranges and no empty lists; if one came through, it would contain nothing, or be no condition.
const unreadable = { address: 'nowhere', length: 8 };

test.each<[Match, boolean]>([
  [{}, false],
  [{ namespaces: [] }, false],
  [{ notNamespaces: [] }, false],
  [{ namespaces: [], notPrincipals: [], destinationPorts: [8080] }, true],
  [{ sourceIps: [unreadable] }, false],
  [{ sourceIps: [unreadable, { address: '127.0.0.0', length: 8 }] }, true],
  [{ notDestinationIps: [unreadable] }, true],
])('a rule of %j holds: %j', (match, expected) => {
  expect(compileRule([[match]])(readSubject(CONNECTIONS.tls))).toBe(expected);
});

const MANY = 100_000;
const others = Array.from({ length: MANY }, (_, index): Match => ({ namespaces: [exact(`other-${index}`)] }));

test('a clause of very many matches: any of them suffices', () => {
  const tls = readSubject(CONNECTIONS.tls);
  expect(compileRule([others])(tls)).toBe(false);
  expect(compileRule([[...others, { namespaces: [exact('namespace')] }]])(tls)).toBe(true);
});

test('a rule of very many clauses: all of them have to hold', () => {
  const tls = readSubject(CONNECTIONS.tls);
  const clauses = others.map(({ namespaces = [] }) => [{ notNamespaces: namespaces }]);
  expect(compileRule(clauses)(tls)).toBe(true);
  expect(compileRule([...clauses, [{ notNamespaces: [exact('namespace')] }]])(tls)).toBe(false);
});
