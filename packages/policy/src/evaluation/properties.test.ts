import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Policy } from '../policy.ts';
import { arbitraryConnection, arbitraryPolicies, arbitraryWorkload } from '../testing/arbitrary-mesh.ts';
import { arbitraryPolicy } from '../testing/arbitrary-policy.ts';
import { evaluateNaively, matchesNaively } from '../testing/naive-evaluation.ts';
import { policyKey } from './policy-key.ts';
import { compile } from './policy-set.ts';

const anything = [arbitraryPolicies, arbitraryConnection, arbitraryWorkload] as const;
const RUNS = { numRuns: 400 };
const enforce = (policy: Policy): Policy => ({ ...policy, dryRun: false });

test('a compiled set says what a plain scan says, and names a rule that matches', () => {
  fc.assert(
    fc.property(...anything, (policies, connection, workload) => {
      const { code, allowed, policy, rule } = compile(policies).evaluate(connection, workload);
      expect(code).toBe(evaluateNaively(policies, connection, workload));
      expect(allowed).toBe(code === 'ALLOWED' || code === 'NO_ALLOW_POLICIES');
      const deciding = policies.find((one) => policyKey(one) === policy);
      const index = deciding?.rules.findIndex((one) => matchesNaively({ rules: [one] }, connection));
      expect(rule).toBe(index);
      expect(deciding === undefined).toBe(code !== 'ALLOWED' && code !== 'DENIED');
    }),
    { numRuns: 1500 },
  );
});

test('any valid policy is compiled, and judged as by a plain scan', () => {
  fc.assert(
    fc.property(arbitraryPolicy, arbitraryConnection, fc.string(), (policy, connection, namespace) => {
      const workload = { namespace, authorizationPolicies: [policyKey(policy)] };
      const enforced = enforce(policy);
      expect(compile([enforced]).evaluate(connection, workload).code).toBe(
        evaluateNaively([enforced], connection, workload),
      );
    }),
    RUNS,
  );
});

test('the order of policies does not matter', () => {
  fc.assert(
    fc.property(...anything, fc.infiniteStream(fc.nat()), (policies, connection, workload, ranks) => {
      const shuffled = policies
        .map((policy) => ({ policy, rank: ranks.next().value }))
        .toSorted((a, b) => a.rank - b.rank)
        .map(({ policy }) => policy);
      const { code } = compile(policies).evaluate(connection, workload);
      expect(compile(shuffled).evaluate(connection, workload).code).toBe(code);
    }),
    RUNS,
  );
});

test('policies put and removed one by one leave what compiling the rest at once makes', () => {
  fc.assert(
    fc.property(arbitraryPolicies, ...anything, (before, policies, connection, workload) => {
      const set = compile(before);
      for (const policy of policies) set.put(policy);
      const keys = policies.map(policyKey);
      for (const policy of before)
        if (!keys.includes(policyKey(policy))) expect(set.remove(policyKey(policy))).toBe(true);
      expect(set.size).toBe(policies.length);
      expect(set.evaluate(connection, workload).code).toBe(evaluateNaively(policies, connection, workload));
    }),
    RUNS,
  );
});

test('a DENY that matches wins', () => {
  fc.assert(
    fc.property(...anything, (policies, connection, workload) => {
      const set = compile(policies);
      const denying = set
        .select(workload)
        .policies.some((one) => one.action === 'Deny' && !one.dryRun && matchesNaively(one, connection));
      expect(set.evaluate(connection, workload).code === 'DENIED').toBe(denying);
    }),
    RUNS,
  );
});

const emptyAllow: Policy = {
  name: 'nothing',
  namespace: 'a',
  scope: 'Global',
  action: 'Allow',
  dryRun: false,
  rules: [],
};

test('an ALLOW without rules denies all that no other ALLOW admits', () => {
  fc.assert(
    fc.property(...anything, (policies, connection, workload) => {
      const before = compile(policies).evaluate(connection, workload).code;
      const after = compile([...policies, emptyAllow]).evaluate(connection, workload).code;
      expect(after).toBe(before === 'NO_ALLOW_POLICIES' ? 'NOT_ALLOWED' : before);
    }),
    RUNS,
  );
});

test('an ALLOW without rules alone denies all', () => {
  fc.assert(
    fc.property(arbitraryConnection, (connection) => {
      const verdict = compile([emptyAllow]).evaluate(connection, { namespace: 'b', authorizationPolicies: [] });
      expect(verdict.code).toBe('NOT_ALLOWED');
    }),
  );
});

test('one more rule of an ALLOW never denies more, and one more of a DENY never allows more', () => {
  fc.assert(
    fc.property(...anything, arbitraryPolicies, fc.nat(), (policies, connection, workload, donors, at) => {
      const index = at % Math.max(policies.length, 1);
      const rules = donors.flatMap((donor) => donor.rules);
      const wider = policies.map((one, i) => (i === index ? { ...one, rules: [...one.rules, ...rules] } : one));
      const before = compile(policies).evaluate(connection, workload).allowed;
      const after = compile(wider).evaluate(connection, workload).allowed;
      expect(policies[index]?.action === 'Deny' ? before || !after : after || !before).toBe(true);
    }),
    RUNS,
  );
});

test('a dry-run policy changes nothing, and its shadow is the verdict as if it were enforced', () => {
  fc.assert(
    fc.property(...anything, (policies, connection, workload) => {
      const decision = compile(policies).evaluate(connection, workload);
      const enforced = compile(policies.filter(({ dryRun }) => !dryRun)).evaluate(connection, {
        ...workload,
        authorizationPolicies: workload.authorizationPolicies.filter(
          (key) => !policies.some((one) => one.dryRun && policyKey(one) === key),
        ),
      });
      expect(decision).toMatchObject({ code: enforced.code, policy: enforced.policy, rule: enforced.rule });
      for (const shadow of decision.shadows) {
        const changed = policies.map((one) => (policyKey(one) === shadow.policy ? enforce(one) : one));
        expect(shadow.verdict.code).toBe(compile(changed).evaluate(connection, workload).code);
        const shadowing = policies.filter((one) => policyKey(one) === shadow.policy);
        expect(shadowing.map((one) => [one.action, matchesNaively(one, connection)])).toEqual([
          [shadow.action, shadow.matches],
        ]);
      }
      if (decision.shadow !== undefined)
        expect(decision.shadow.code).toBe(compile(policies.map(enforce)).evaluate(connection, workload).code);
      const applying = compile(policies)
        .select(workload)
        .policies.filter(({ dryRun }) => dryRun);
      expect(decision.shadows.map(({ policy }) => policy).toSorted()).toEqual(applying.map(policyKey).toSorted());
      expect(decision.shadow === undefined).toBe(applying.length === 0);
    }),
    { numRuns: 600 },
  );
});
