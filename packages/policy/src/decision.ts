import { matchesPolicy } from './match.ts';
import type { Connection, Policy } from './policy.ts';

/** What policies say of a connection. */
export type Verdict =
  | { readonly allowed: true; readonly policy: string | undefined }
  /** `reason` as the proxy logs it: `explicitly denied by: ns/name`, `allow policies exist, but none allowed`. */
  | { readonly allowed: false; readonly reason: string };

/**
 * Decides on a connection by the policies that apply to its destination, in any order: an enforced DENY that matches
 * wins; then, if there is an enforced ALLOW at all, one of them must match (spec policy.md §4.4). Dry-run policies
 * change nothing. An action that is neither denies.
 */
export function decide(policies: Iterable<Policy>, connection: Connection): Verdict {
  let allowing: string | undefined;
  let allowPolicies = false;
  for (const policy of policies) {
    if (policy.dryRun) continue;
    if (policy.action === 'Deny') {
      if (matchesPolicy(policy, connection))
        return { allowed: false, reason: `explicitly denied by: ${policyKey(policy)}` };
    } else if (policy.action !== 'Allow') {
      // From data that no compiler has seen: what it should do is unknown.
      return { allowed: false, reason: `unknown action of policy ${policyKey(policy)}` };
    } else {
      allowPolicies = true;
      if (allowing === undefined && matchesPolicy(policy, connection)) allowing = policyKey(policy);
    }
  }
  if (allowPolicies && allowing === undefined)
    return { allowed: false, reason: 'allow policies exist, but none allowed' };
  return { allowed: true, policy: allowing };
}

/** `namespace/name`. */
export function policyKey(policy: Pick<Policy, 'namespace' | 'name'>): string {
  return `${policy.namespace}/${policy.name}`;
}
