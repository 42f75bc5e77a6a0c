import { PolicyError } from '../errors.ts';
import type { TargetWorkload } from '../policy.ts';
import { describeValue } from '../validation/describe-value.ts';

/**
 * Makes sure that what a connection goes to can be asked for its policies: data from nowhere typed that lacks them would
 * look like a workload without any, to which everything passes. Throws POLICY_CONNECTION_INVALID.
 */
export function checkWorkload(workload: TargetWorkload | null | undefined): void {
  if (workload === null || workload === undefined) throw invalid('destination: want a workload', workload);
  const { namespace, authorizationPolicies } = workload;
  if (typeof namespace !== 'string') throw invalid('namespace of the destination: want text', namespace);
  if (!Array.isArray(authorizationPolicies))
    throw invalid('authorizationPolicies of the destination: want a list of texts', authorizationPolicies);
  let index = 0;
  for (const key of authorizationPolicies) {
    if (typeof key !== 'string') throw invalid(`authorizationPolicies[${index}] of the destination: want text`, key);
    index++;
  }
}

function invalid(message: string, value: unknown): PolicyError {
  return new PolicyError('POLICY_CONNECTION_INVALID', `${message}, not ${describeValue(value)}`);
}
