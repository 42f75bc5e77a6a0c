import { describe, expect, test } from 'vitest';
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

test.each<[string, Rule, string]>([
  ['very many matches', [others], 'DENIED'],
  ['very many matches of which one matches', [[...others, OWN]], 'ALLOWED'],
  ['very many clauses of which one fails', [...holding, [{ destinationPorts: [9] }]], 'DENIED'],
  ['very many clauses that hold', holding, 'ALLOWED'],
  ['very many clauses without matches', holding.map(() => []), 'ALLOWED'],
])('of a rule of %s only the verdict is told', (_, rule, verdict) => {
  const { policies, nearest, wouldPass, text } = explain([rule]);
  const matched = verdict === 'ALLOWED';
  expect(policies[0]).toMatchObject({ matched, rules: [{ matched, clauses: [], more: rule.length }], more: 0 });
  expect([nearest, policies[0]?.nearest, wouldPass]).toEqual([undefined, undefined, []]);
  const difference = matched ? 'rule 1 of ns1/p matches: it is too long' : 'its rules are too long';
  expect(text.split('\n')).toMatchObject({ 1: `${difference} to tell why`, 2: '' });
  expect(text).toMatch(
    new RegExp(`^${verdict} [^]* {2}rule 1 ${matched ? 'matches' : 'does not match'}: it is too long to tell why\n$`),
  );
});

test('a rule that is too long denies', () => {
  const { wouldPass, text } = explain([holding], { action: 'Deny' });
  expect(text).toMatch(/^DENIED .*\nrule 1 of ns1\/p matches: it is too long to tell why\n/);
  expect(wouldPass).toEqual([]);
});

test('beside a rule that is too long others are told', () => {
  const rule = [[{ destinationPorts: [9] }]];
  expect(explain([[others], rule]).nearest).toMatchObject({ rule: 1, failed: [{ field: 'destinationPorts' }] });
  expect(explain([rule, [[...others, OWN]]]).nearest).toBeUndefined();
});

test('a rule of 1,024 clauses and matches is told whole, and of one more nothing', () => {
  const told = explain([[others.slice(0, 1023)]]).policies[0]?.rules[0];
  expect(told).toMatchObject({ matched: false, more: 0 });
  expect(told?.clauses[0]?.matches).toHaveLength(1023);
  expect(explain([[others.slice(0, 1024)]]).policies[0]?.rules[0]).toMatchObject({ clauses: [], more: 1 });
});

describe('behind many other conditions', () => {
  const AT = 128;

  test('all that fail are told', () => {
    const failing: Clause[] = [[{ destinationPorts: [9] }], [{ sourceIps: [{ address: '9.9.9.9', length: 32 }] }]];
    const { nearest, text } = explain([[...holding.slice(0, AT), ...failing]]);
    expect(nearest?.failed.map(({ field }) => field)).toEqual(['destinationPorts', 'sourceIps']);
    expect(text).toMatch(/\nrule 1 of ns1\/p failed on `destinationPorts` \(.*\) and `sourceIps` \(/);
  });

  test('the only match that can match is told', () => {
    const empty = Array.from({ length: AT }, (): Match => ({}));
    const { wouldPass, text } = explain([[[...empty, { destinationPorts: [9] }]]]);
    expect(text).toContain('\nrule 1 of ns1/p failed on `destinationPorts` only: ');
    expect(wouldPass.map((change) => change.text)).toEqual(['if the destination port were 9']);
  });

  test('the only condition is told', () => {
    const { text } = explain([[...Array.from({ length: AT }, () => []), [OWN]]], { action: 'Deny' });
    expect(text).toContain('\nrule 1 of ns1/p matches: `namespaces` (namespace)\n');
  });
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

const FIVE = [others, others, others, others, others].flat();

test.each<[string, readonly Rule[]]>([
  ['matches', [[FIVE]]],
  ['clauses', [FIVE.map((match) => [match])]],
  ['rules', FIVE.map((match) => [[match]])],
  ['rules that are too long', Array.from({ length: 100 }, () => [FIVE.slice(0, 1024)])],
])('100,000 %s', (_, rules) => {
  expect(explain(rules).decision.code).toBe('NOT_ALLOWED');
});
