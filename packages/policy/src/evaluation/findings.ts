import type { Subject } from '../matching/subject.ts';
import type { CompiledPolicy } from './compiled-policy.ts';
import type { Verdict } from './decision.ts';

/** A rule that matches. */
interface MatchingRule {
  readonly policy: string;
  readonly rule: number;
}

/** What some policies have to say of a connection. Findings of two groups of policies can be joined. */
export interface Findings {
  /** A DENY policy that matches. If there is one, the other findings do not count. */
  readonly denying: MatchingRule | undefined;
  /** Whether there are ALLOW policies, so that one of them has to match. */
  readonly restricted: boolean;
  /** An ALLOW policy that matches. */
  readonly allowing: MatchingRule | undefined;
}

/** Asks each policy, until one denies. Whether they are dry-run does not matter. */
export function findMatches(policies: readonly CompiledPolicy[], subject: Subject): Findings {
  let restricted = false;
  let allowing: MatchingRule | undefined;
  for (const { key, policy, rules } of policies) {
    if (policy.action === 'Deny') {
      const rule = rules.find(subject);
      if (rule !== undefined) return { denying: { policy: key, rule }, restricted, allowing };
      continue;
    }
    restricted = true;
    if (allowing !== undefined) continue;
    const rule = rules.find(subject);
    if (rule !== undefined) allowing = { policy: key, rule };
  }
  return { denying: undefined, restricted, allowing };
}

/** The findings of both groups of policies. Where both name a policy, it is the first group's. */
export function joinFindings(first: Findings, second: Findings): Findings {
  return {
    denying: first.denying ?? second.denying,
    restricted: first.restricted || second.restricted,
    allowing: first.allowing ?? second.allowing,
  };
}

/**
 * The verdict that follows (spec policy.md §4.4): a matching DENY wins; then, if there are ALLOW policies, one has to
 * match. `unknown` are keys of policies that apply but have not arrived. A DENY stands whatever they say; all else they
 * could turn, so the connection is denied until they are known.
 */
export function judge({ denying, restricted, allowing }: Findings, unknown: readonly string[]): Verdict {
  if (denying !== undefined)
    return { allowed: false, code: 'DENIED', ...denying, reason: `explicitly denied by: ${denying.policy}` };
  if (unknown.length > 0) return { ...UNDECIDED, code: 'POLICY_MISSING', reason: renderUnknown(unknown) };
  if (allowing !== undefined) return { allowed: true, code: 'ALLOWED', ...allowing, reason: '' };
  if (restricted) return { ...UNDECIDED, code: 'NOT_ALLOWED', reason: 'allow policies exist, but none allowed' };
  return { ...UNDECIDED, allowed: true, code: 'NO_ALLOW_POLICIES', reason: '' };
}

const UNDECIDED = { allowed: false, policy: undefined, rule: undefined } as const;

/** Names one, for a workload may name thousands. */
function renderUnknown([first, ...others]: readonly string[]): string {
  if (others.length === 0) return `policy ${first} has not arrived yet`;
  return `policy ${first} and ${others.length} more have not arrived yet`;
}
