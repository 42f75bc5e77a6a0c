import fc from 'fast-check';
import { expect, test } from 'vitest';
import { policyKey } from '../evaluation/policy-key.ts';
import { compile } from '../evaluation/policy-set.ts';
import type { Connection, Match, Policy } from '../policy.ts';
import { arbitraryConnection, arbitraryPolicies, arbitraryWorkload } from '../testing/arbitrary-mesh.ts';
import { evaluateNaively, matchesNaively } from '../testing/naive-evaluation.ts';
import type { Explanation, PolicyExplanation } from './explanation.ts';
import { renderExplanation, renderSummary } from './render-explanation.ts';

const anything = [arbitraryPolicies, arbitraryConnection, arbitraryWorkload] as const;
const RUNS = { numRuns: 300 };
/** Policies that all apply and are enforced, so that they often deny. */
const strictPolicies = arbitraryPolicies.map((policies) =>
  policies.map((policy): Policy => ({ ...policy, scope: 'Global', dryRun: false })),
);
const WORKLOAD = { namespace: 'a', authorizationPolicies: [] };

test('what is said of policies, rules, clauses, matches and fields is what a plain scan finds', () => {
  fc.assert(
    fc.property(...anything, (policies, connection, workload) => {
      const set = compile(policies);
      const explanation = set.explain(connection, workload);
      const selected = set.select(workload).policies;
      expect(explanation.policies.map(({ policy }) => policy).toSorted()).toEqual(selected.map(policyKey).toSorted());
      expect(explanation.decision).toEqual(set.evaluate(connection, workload));
      for (const policy of selected)
        expectAgreement(
          policy,
          explanation.policies.find((one) => one.policy === policyKey(policy)),
          connection,
        );
    }),
    RUNS,
  );
});

test('what was said before does not matter', () => {
  fc.assert(
    fc.property(strictPolicies, fc.array(arbitraryConnection, { maxLength: 6 }), (policies, connections) => {
      const used = compile(policies);
      for (const connection of connections)
        expect(used.explain(connection, WORKLOAD)).toEqual(compile(policies).explain(connection, WORKLOAD));
    }),
    RUNS,
  );
});

test('the verdict follows from what is said of the policies', () => {
  fc.assert(
    fc.property(...anything, (policies, connection, workload) => {
      const { decision, policies: explained, nearest } = compile(policies).explain(connection, workload);
      const enforced = explained.filter(({ dryRun }) => !dryRun);
      const matching = (action: string) => enforced.filter((policy) => policy.action === action && policy.matched);
      const restricted = enforced.some(({ action }) => action === 'Allow');
      const admitted = matching('Allow').length > 0;
      expect(decision.code === 'DENIED').toBe(matching('Deny').length > 0);
      if (decision.code === 'NOT_ALLOWED')
        expect({ restricted, admitted }).toEqual({ restricted: true, admitted: false });
      if (decision.code === 'NO_ALLOW_POLICIES') expect(restricted).toBe(false);
      if (decision.code === 'ALLOWED') expect(admitted).toBe(true);
      if (admitted || !restricted) expect(nearest).toBeUndefined();
    }),
    RUNS,
  );
});

test('the nearest miss is a rule of an ALLOW policy, and none failed on fewer conditions', () => {
  fc.assert(
    fc.property(...anything, (policies, connection, workload) => {
      const { policies: explained, nearest } = compile(policies).explain(connection, workload);
      const misses = explained.filter(({ action, dryRun }) => action === 'Allow' && !dryRun);
      if (nearest === undefined) return;
      expect(nearest.failed.length).toBeGreaterThan(0);
      expect(nearest.failed.every(({ satisfied }) => !satisfied)).toBe(true);
      expect(misses.map(({ policy }) => policy)).toContain(nearest.policy);
      for (const { nearest: other } of misses)
        expect(other?.failed.length ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(nearest.failed.length);
    }),
    RUNS,
  );
});

test('every change passes, by a plain scan too, and differs in what it says and in nothing else', () => {
  let changes = 0;
  fc.assert(
    fc.property(strictPolicies, arbitraryConnection, (policies, connection) => {
      const { wouldPass, decision } = compile(policies).explain(connection, WORKLOAD);
      if (decision.allowed) expect(wouldPass).toEqual([]);
      expect(new Set(wouldPass.map(({ text }) => text)).size).toBe(wouldPass.length);
      for (const change of wouldPass) {
        changes++;
        expect(['ALLOWED', 'NO_ALLOW_POLICIES']).toContain(evaluateNaively(policies, change.connection, WORKLOAD));
        expect(namedIn(change.text)).toEqual(differencesOf(connection, change.connection));
      }
    }),
    { numRuns: 1000 },
  );
  expect(changes).toBeGreaterThan(20);
});

test('the text begins with the verdict, and no line of it is endless', () => {
  fc.assert(
    fc.property(...anything, (policies, connection, workload) => {
      const explanation = compile(policies).explain(connection, workload);
      const text = renderExplanation(explanation);
      expect(text.startsWith(explanation.decision.allowed ? 'ALLOWED ' : 'DENIED ')).toBe(true);
      expect(text.startsWith(renderSummary(explanation))).toBe(true);
      expect(text.endsWith('\n')).toBe(true);
      expect(text).not.toMatch(/undefined|NaN|\[object/);
      expect(Math.max(...text.split('\n').map(({ length }) => length))).toBeLessThan(600);
    }),
    RUNS,
  );
});

function expectAgreement(policy: Policy, explained: PolicyExplanation | undefined, connection: Connection): void {
  expect(explained?.matched).toBe(matchesNaively(policy, connection));
  for (const [index, rule] of policy.rules.entries()) {
    const explainedRule = explained?.rules[index];
    expect(explainedRule?.matched).toBe(matchesNaively({ rules: [rule] }, connection));
    for (const [at, clause] of rule.entries()) {
      const explainedClause = explainedRule?.clauses[at];
      expect(explainedClause?.matched).toBe(matchesNaively({ rules: [[clause]] }, connection));
      for (const [place, match] of clause.entries()) expectFields(match, explainedClause?.matches[place], connection);
    }
  }
}

type MatchOf = PolicyExplanation['rules'][number]['clauses'][number]['matches'][number];

function expectFields(match: Match, explained: MatchOf | undefined, connection: Connection): void {
  expect(explained?.matched).toBe(matchesNaively({ rules: [[[match]]] }, connection));
  const present = Object.entries(match).filter(([, list]) => list.length > 0);
  expect(explained?.fields.map(({ field }) => field as string).toSorted()).toEqual(
    present.map(([name]) => name).toSorted(),
  );
  for (const { field, satisfied, wanted } of explained?.fields ?? []) {
    expect(satisfied).toBe(matchesNaively({ rules: [[[{ [field]: match[field] }]]] }, connection));
    expect(wanted).toHaveLength(match[field]?.length ?? 0);
  }
}

/** Aspects of a connection that a text speaks of. */
function namedIn(text: Explanation['wouldPass'][number]['text']): readonly string[] {
  const names = {
    destinationIp: 'the destination address',
    destinationPort: 'the destination port',
    identity: /the (?:source namespace|principal|client|service account)/,
    sourceIp: 'the source address',
  };
  return Object.entries(names).flatMap(([aspect, words]) => (text.search(words) < 0 ? [] : aspect));
}

function differencesOf(before: Connection, after: Connection): readonly string[] {
  const aspects = ['destinationIp', 'destinationPort', 'identity', 'sourceIp'] as const;
  return aspects.filter((aspect) => JSON.stringify(before[aspect]) !== JSON.stringify(after[aspect]));
}
