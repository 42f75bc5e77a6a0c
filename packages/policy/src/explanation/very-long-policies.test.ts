import { expect, test } from 'vitest';
import { compile } from '../evaluation/policy-set.ts';
import type { Clause, Match, Policy, Rule } from '../policy.ts';
import { buildPolicy, CONNECTIONS, exact } from '../testing/build-policy.ts';
import { evaluateNaively } from '../testing/naive-evaluation.ts';
import { renderExplanation } from './render-explanation.ts';

/** More than calls can be nested. */
const MANY = 20_000;
const WORKLOAD = { namespace: 'ns1', authorizationPolicies: [] };
const OWN: Match = { namespaces: [exact('namespace')] };
const others = Array.from({ length: MANY }, (_, at): Match => ({ namespaces: [exact(`other-${at}`)] }));
const holding = Array.from({ length: MANY }, (): Clause => [OWN]);

/** The explanation and its text, which must neither be long nor take long. */
function explain(rules: readonly Rule[], over: Partial<Policy> = {}) {
  const connection = CONNECTIONS.tls;
  const policy = buildPolicy({ rules, ...over });
  const explanation = compile([policy]).explain(connection, WORKLOAD);
  expect(explanation.decision.code).toBe(evaluateNaively([policy], connection, WORKLOAD));
  const text = renderExplanation(explanation);
  expect(text.length).toBeLessThan(10_000);
  expect(JSON.stringify(explanation).length).toBeLessThan(1_000_000);
  return { ...explanation, text };
}

test('of very many matches the first are told, and how many more there are', () => {
  const { policies, nearest, text } = explain([[others]]);
  const clause = policies[0]?.rules[0]?.clauses[0];
  expect(clause).toMatchObject({ matched: false, more: MANY - 128 });
  expect(clause?.matches).toHaveLength(128);
  expect(nearest?.failed).toHaveLength(1);
  expect(text).toContain(`… (${MANY - 8} more)`);
});

test('of very many matches the one that matches is told', () => {
  const { policies, text } = explain([[[...others, OWN]]]);
  const clause = policies[0]?.rules[0]?.clauses[0];
  expect(clause).toMatchObject({ matched: true, more: MANY - 128 });
  expect(clause?.matches.map(({ matched }) => matched)).toEqual([...Array<boolean>(128).fill(false), true]);
  expect(text).toMatch(/^ALLOWED .*\nrule 1 of ns1\/p matches: `namespaces` \(namespace\)\n/);
  expect(text).toContain('      or + namespaces: namespace\n');
});

test('of very many clauses the one that fails is told', () => {
  const { policies, nearest, wouldPass, text } = explain([[...holding, [{ destinationPorts: [9] }]]]);
  const rule = policies[0]?.rules[0];
  expect(rule).toMatchObject({ matched: false, more: MANY - 128 });
  expect(rule?.clauses.map(({ matched }) => matched)).toEqual([...Array<boolean>(128).fill(true), false]);
  expect(nearest?.failed.map(({ field }) => field)).toEqual(['destinationPorts']);
  expect(wouldPass.map((change) => change.text)).toEqual(['if the destination port were 9']);
  expect(text).toContain(`… (${MANY + 1 - 16} more clauses)`);
});

test('a change with which only those clauses would hold that are told is not promised', () => {
  const clauses = Array.from({ length: MANY }, (_, at): Clause => [{ destinationPorts: [at % 2] }]);
  const { wouldPass, nearest } = explain([clauses]);
  expect(wouldPass).toEqual([]);
  expect(nearest?.failed).toHaveLength(129);
});

test('very many clauses that hold', () => {
  const { text } = explain([holding], { action: 'Deny' });
  expect(text).toMatch(/^DENIED .*\nrule 1 of ns1\/p matches: .* and 19994 more conditions\n/);
  expect(explain([holding]).policies[0]?.rules[0]).toMatchObject({ matched: true, more: MANY - 128 });
});

test('of very many rules the one that matches is told', () => {
  const rules = [...others, OWN].map((match) => [[match]]);
  const { decision, policies, text } = explain(rules, { action: 'Deny' });
  expect(decision.rule).toBe(MANY);
  expect(policies[0]?.rules.at(-1)).toMatchObject({ rule: MANY, matched: true });
  expect(policies[0]?.rules.length).toBeLessThan(1024);
  expect(policies[0]?.more).toBe(MANY + 1 - (policies[0]?.rules.length ?? 0));
  expect(text).toMatch(/^DENIED .*\nrule 20001 of ns1\/p matches: /);
  expect(explain(rules.slice(0, MANY)).decision.code).toBe('NOT_ALLOWED');
});

test('what is said again of another connection is right', () => {
  const set = compile([buildPolicy({ rules: [[[...others, { destinationPorts: [8080] }]]] })]);
  const codes = [8080, 1, 8080].map((destinationPort) => {
    const { decision, policies } = set.explain({ ...CONNECTIONS.tls, destinationPort }, WORKLOAD);
    return [decision.code, policies[0]?.matched];
  });
  expect(codes).toEqual([
    ['ALLOWED', true],
    ['NOT_ALLOWED', false],
    ['ALLOWED', true],
  ]);
});

test.each<[string, Rule]>([
  ['matches', [[...others, ...others, ...others, ...others, ...others]]],
  ['clauses', [...others, ...others, ...others, ...others, ...others].map((match) => [match])],
])('100,000 %s', (_, rule) => {
  expect(explain([rule]).nearest?.failed).not.toEqual([]);
});
