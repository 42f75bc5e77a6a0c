import type { Policy } from '../policy.ts';

/** The name by which workloads and verdicts refer to a policy: `namespace/name`. */
export function policyKey(policy: Pick<Policy, 'namespace' | 'name'>): string {
  return `${policy.namespace}/${policy.name}`;
}
