import type { Decision } from '../evaluation/decision.ts';
import { effectiveScope } from '../evaluation/effective-scope.ts';
import type { Connection, TargetWorkload } from '../policy.ts';
import { compareRules, type RuleAttempt } from './attempt.ts';
import { explainRule } from './explain-rule.ts';
import type { Explanation, PassingChange, PolicyExplanation } from './explanation.ts';
import { type Facts, readFacts } from './facts.ts';
import { describeMiss, describeNearest } from './nearest-miss.ts';
import { findPassingChanges, type Obstacles } from './passing-change.ts';
import { notePolicy } from './policy-notes.ts';
import { type PreparedPolicy, pickRule } from './prepared-policy.ts';

/** Rules that are tried to be met by another connection, those that come closest. */
const MOST_ATTEMPTS = 8;

/**
 * Says why the connection `given` to `workload` got `decision`, by the policies that were asked: each rule and condition
 * beside what the connection has, the rule that came closest, and changes with which it would have passed. Throws
 * POLICY_CONNECTION_INVALID for addresses, a port or an identity that are none.
 */
export function explain(
  asked: readonly PreparedPolicy[],
  given: Connection,
  workload: TargetWorkload,
  decision: Decision,
): Explanation {
  const facts = readFacts(given);
  const { connection } = facts;
  const policies = asked.toSorted(compareForReading);
  const explained = policies.map((policy) => explainPolicy(policy, decision, facts));
  const admitting = explained.filter(({ policy: { policy } }) => !policy.dryRun && policy.action === 'Allow');
  const attempts = closestOf(
    admitting.flatMap((policy) => policy.attempts),
    MOST_ATTEMPTS,
  );
  const admitted = admitting.some(({ explanation }) => explanation.matched);
  const [first] = admitted ? [] : attempts;
  return {
    connection,
    workload,
    decision,
    policies: explained.map(({ explanation }) => explanation),
    nearest: first && describeNearest(first),
    wouldPass: findChanges(connection, decision, policies, { workload, attempts }),
  };
}

interface ExplainedPolicy {
  readonly policy: PreparedPolicy;
  readonly explanation: PolicyExplanation;
  /** Of the rules that are told and that some connection can match. */
  readonly attempts: readonly RuleAttempt[];
}

function explainPolicy(policy: PreparedPolicy, decision: Decision, facts: Facts): ExplainedPolicy {
  const { finder } = policy;
  const rules = policy.rules.map((rule, index) => explainRule(policy, rule, index, facts));
  const count = policy.policy.rules.length;
  const deciding = rules.length < count ? finder.find(facts.subject) : undefined;
  if (deciding !== undefined && deciding >= rules.length)
    rules.push(explainRule(policy, pickRule(policy, deciding), deciding, facts));
  const attempts = rules.flatMap(({ attempt }) => attempt ?? []);
  const matched = rules.some(({ explanation }) => explanation.matched);
  const [nearest] = matched ? [] : closestOf(attempts, 1);
  const about: PolicyExplanation = {
    policy: policy.key,
    action: policy.policy.action,
    scope: effectiveScope(policy.policy),
    dryRun: policy.policy.dryRun,
    matched,
    rules: rules.map(({ explanation }) => explanation),
    more: count - rules.length,
    nearest: nearest && describeMiss(nearest),
    notes: notePolicy(policy.policy, matched, decision, facts),
  };
  return { policy, explanation: about, attempts };
}

/** The closest few, in order: the others are not worth sorting. */
function closestOf(attempts: readonly RuleAttempt[], most: number): readonly RuleAttempt[] {
  const closest: RuleAttempt[] = [];
  for (const attempt of attempts) {
    let at = closest.length;
    for (let other = closest[at - 1]; other !== undefined && compareRules(attempt, other) < 0; other = closest[at - 1])
      at--;
    if (at === most) continue;
    closest.splice(at, 0, attempt);
    if (closest.length > most) closest.pop();
  }
  return closest;
}

function findChanges(
  connection: Connection,
  { allowed, code, missing }: Decision,
  policies: readonly PreparedPolicy[],
  { workload, attempts }: Pick<Obstacles, 'workload' | 'attempts'>,
): readonly PassingChange[] {
  // Whatever the connection is, a policy that is missing denies it. Behind a DENY that matches one cannot tell whether
  // missing ones would, so nothing is promised.
  if (allowed || code === 'POLICY_MISSING' || (code === 'DENIED' && missing.length > 0)) return [];
  const enforced = policies.filter(({ policy }) => !policy.dryRun);
  return findPassingChanges(connection, {
    workload,
    attempts,
    deny: enforced.filter(({ policy }) => policy.action === 'Deny'),
    allow: enforced.filter(({ policy }) => policy.action === 'Allow'),
  });
}

/** Enforced DENY, enforced ALLOW, dry-run ones; by key within each. */
function compareForReading(a: PreparedPolicy, b: PreparedPolicy): number {
  return rank(a) - rank(b) || compareText(a.key, b.key);
}

function rank({ policy: { action, dryRun } }: PreparedPolicy): number {
  return (dryRun ? 2 : 0) + (action === 'Deny' ? 0 : 1);
}

/** Not by locale, so that the order is the same everywhere. */
function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
