/** Why a connection passes or does not. */
export type VerdictCode =
  /** No enforced ALLOW policy applies and no DENY matches: passes. */
  | 'NO_ALLOW_POLICIES'
  /** An ALLOW policy matches: passes. */
  | 'ALLOWED'
  /** A DENY policy matches. */
  | 'DENIED'
  /** ALLOW policies apply and none matches. */
  | 'NOT_ALLOWED'
  /** The workload names policies that are not known, so what they would say is unknown, too. */
  | 'POLICY_MISSING';

/** What policies say of a connection. */
export interface Verdict {
  readonly allowed: boolean;
  readonly code: VerdictCode;
  /** `namespace/name` of the policy that decided (ALLOWED, DENIED). Of several that match, any. */
  readonly policy: string | undefined;
  /** Index of the deciding policy's first rule that matches. */
  readonly rule: number | undefined;
  /**
   * For logs, empty if allowed: `explicitly denied by: ns/name`, `allow policies exist, but none allowed` (the reference's
   * words, spec policy.md §4.4), `policy ns/name has not arrived yet`.
   */
  readonly reason: string;
}

/** What would be if one dry-run policy, or all of them, were enforced. */
export interface ShadowVerdict {
  /** `namespace/name` of the dry-run policy. */
  readonly policy: string;
  readonly action: 'Allow' | 'Deny';
  /** Whether its rules match. */
  readonly matches: boolean;
  /** The verdict if this policy were enforced beside those that are. */
  readonly verdict: Verdict;
}

/** What becomes of a connection, and what dry-run policies would have made of it. */
export interface Decision extends Verdict {
  /** Keys that the workload names and nobody has put, in the order named. They deny, unless the set was told to skip them. */
  readonly missing: readonly string[];
  /** One entry for each dry-run policy that applies, DENY before ALLOW; empty almost always. They never change the verdict. */
  readonly shadows: readonly ShadowVerdict[];
  /** The verdict if all dry-run policies were enforced; undefined without any. */
  readonly shadow: Verdict | undefined;
}
