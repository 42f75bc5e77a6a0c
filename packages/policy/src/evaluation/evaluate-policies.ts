import type { Subject } from '../matching/subject.ts';
import type { CompiledPolicy } from './compiled-policy.ts';
import type { Decision, ShadowVerdict } from './decision.ts';
import { type Findings, findMatches, joinFindings, judge } from './findings.ts';

/** What becomes of a connection whose destination has policies that are named but not known. */
export type MissingPolicy =
  /** It is denied, for what they would say is unknown. */
  | 'deny'
  /** It is judged by the others, as the reference does (spec policy.md §3). */
  | 'skip';

/** The policies that apply to a destination. */
export interface ApplyingPolicies {
  readonly policies: readonly CompiledPolicy[];
  /** Keys of those that are not known. */
  readonly missing: readonly string[];
}

/**
 * Decides on a connection by the policies that apply to its destination, in any order. Dry-run ones only cast shadows.
 * Unless `whatIfMissing` says `skip`, missing policies deny.
 */
export function evaluatePolicies(
  { policies, missing }: ApplyingPolicies,
  subject: Subject,
  whatIfMissing: MissingPolicy | undefined,
): Decision {
  const unknown = whatIfMissing === 'skip' ? [] : missing;
  if (!policies.some(isDryRun)) {
    const verdict = judge(findMatches(policies, subject), unknown);
    return { ...verdict, missing, shadows: [], shadow: undefined };
  }
  const dryRun = policies.filter(isDryRun);
  const enforced = findMatches(
    policies.filter((one) => !isDryRun(one)),
    subject,
  );
  const denyFirst = [...dryRun.filter(isDeny), ...dryRun.filter((one) => !isDeny(one))];
  const alsoEnforced = (findings: Findings): Findings => joinFindings(enforced, findings);
  return {
    ...judge(enforced, unknown),
    missing,
    shadows: denyFirst.map((one): ShadowVerdict => {
      const findings = findMatches([one], subject);
      return {
        policy: one.key,
        action: one.policy.action,
        matches: findings.denying !== undefined || findings.allowing !== undefined,
        verdict: judge(alsoEnforced(findings), unknown),
      };
    }),
    shadow: judge(alsoEnforced(findMatches(dryRun, subject)), unknown),
  };
}

function isDryRun({ policy }: CompiledPolicy): boolean {
  return policy.dryRun;
}

function isDeny({ policy }: CompiledPolicy): boolean {
  return policy.action === 'Deny';
}
