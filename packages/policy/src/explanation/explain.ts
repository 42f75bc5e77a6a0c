import type { Decision } from '../evaluation/decision.ts';
import { policyKey } from '../evaluation/policy-key.ts';
import type { Selection } from '../evaluation/selection.ts';
import { readSubject } from '../matching/subject.ts';
import type { Connection, Policy, TargetWorkload } from '../policy.ts';
import type { RuleAttempt } from './attempt.ts';
import type { Facts } from './condition.ts';
import { explainRule } from './explain-rule.ts';
import type { Explanation, PassingChange, PolicyExplanation, RuleExplanation } from './explanation.ts';
import { describeMiss } from './nearest-miss.ts';
import { findPassingChanges } from './passing-change.ts';
import { notePolicy } from './policy-notes.ts';

/**
 * Says why `connection` to `workload` got `decision`, by the policies that were asked: each rule and condition beside
 * what the connection has, the rule that came closest, and changes with which it would have passed. `selection` are the
 * policies that `decision` was made by (`PolicySet.select`). Throws POLICY_CONNECTION_INVALID for
 * addresses or a port that are none.
 */
export function explain(
  selection: Pick<Selection, 'policies'>,
  connection: Connection,
  workload: TargetWorkload,
  decision: Decision,
): Explanation {
  const facts: Facts = { connection, subject: readSubject(connection) };
  const policies = selection.policies.toSorted(compareForReading);
  const explained = policies.map((policy) => explainPolicy(policy, decision, facts));
  const admitting = explained.filter(({ policy }) => !policy.dryRun && policy.action === 'Allow');
  const closest = admitting.flatMap(({ attempts }) => attempts).toSorted((a, b) => a.compare(b));
  const [first] = closest;
  return {
    connection,
    workload,
    decision,
    policies: explained.map(({ explanation }) => explanation),
    nearest: first === undefined || first.failures.length === 0 ? undefined : describeMiss(first),
    wouldPass: findChanges(connection, workload, decision, { policies, closest }),
  };
}

interface ExplainedPolicy {
  readonly policy: Policy;
  readonly explanation: PolicyExplanation;
  /** Of the rules that some connection can match. */
  readonly attempts: readonly RuleAttempt[];
}

function explainPolicy(policy: Policy, decision: Decision, facts: Facts): ExplainedPolicy {
  const rules: RuleExplanation[] = [];
  const attempts: RuleAttempt[] = [];
  let matched = false;
  let nearest: RuleAttempt | undefined;
  for (const [index, rule] of policy.rules.entries()) {
    const { explanation, attempt } = explainRule(policy, rule, index, facts);
    rules.push(explanation);
    matched ||= explanation.matched;
    if (attempt === undefined) continue;
    attempts.push(attempt);
    if (nearest === undefined || attempt.compare(nearest) < 0) nearest = attempt;
  }
  const explanation: PolicyExplanation = {
    policy: policyKey(policy),
    action: policy.action,
    scope: policy.scope,
    dryRun: policy.dryRun,
    matched,
    rules,
    nearest: matched || nearest === undefined ? undefined : describeMiss(nearest),
    notes: notePolicy(policy, matched, decision, facts),
  };
  return { policy, explanation, attempts };
}

function findChanges(
  connection: Connection,
  workload: TargetWorkload,
  { allowed, code, missing }: Decision,
  { policies, closest }: { readonly policies: readonly Policy[]; readonly closest: readonly RuleAttempt[] },
): readonly PassingChange[] {
  // Whatever the connection is, a policy that is missing denies it. Behind a DENY that matches one cannot tell whether
  // missing ones would, so nothing is promised.
  if (allowed || code === 'POLICY_MISSING' || (code === 'DENIED' && missing.length > 0)) return [];
  const enforced = policies.filter(({ dryRun }) => !dryRun);
  return findPassingChanges(connection, {
    workload,
    deny: enforced.filter(({ action }) => action === 'Deny'),
    allow: enforced.filter(({ action }) => action === 'Allow'),
    attempts: closest,
  });
}

/** Enforced DENY, enforced ALLOW, dry-run ones; by key within each. */
function compareForReading(a: Policy, b: Policy): number {
  return rank(a) - rank(b) || compareText(policyKey(a), policyKey(b));
}

function rank({ action, dryRun }: Policy): number {
  return (dryRun ? 2 : 0) + (action === 'Deny' ? 0 : 1);
}

/** Not by locale, so that the order is the same everywhere. */
function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
