import type { PolicySet } from '@ambientmesh/policy';
import type { Explain } from './denials.ts';

/** Rules that are compared for one explanation: about 10 ms where they are compared for the first time. */
export const MAX_COMPARED_RULES = 1_000;
/** So many rules of one policy are told one by one (`explain` of @ambientmesh/policy). */
const TOLD_OF_POLICY = 128;

/** Explains by `policies` where that costs little; where too many govern the workload it says so. */
export function explainDenials(policies: Pick<PolicySet, 'explain' | 'select'>): Explain {
  return (connection, workload) => {
    const governing = policies.select(workload).policies;
    let [compared, all] = [0, 0];
    for (const { rules } of governing) {
      compared += Math.min(rules.length, TOLD_OF_POLICY);
      all += rules.length;
    }
    if (compared <= MAX_COMPARED_RULES && governing.length <= MAX_COMPARED_RULES)
      return policies.explain(connection, workload);
    return `${governing.length} policies with ${all} rules apply, too many to compare here: try ambient-policy explain`;
  };
}
