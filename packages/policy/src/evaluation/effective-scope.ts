import type { Policy } from '../policy.ts';

/**
 * Where a policy applies: that is its scope, but one for the namespace without a name applies to the whole mesh. The
 * reference keeps global policies under the empty namespace, and so finds it there for every workload (spec policy.md §3).
 */
export function effectiveScope({ scope, namespace }: Pick<Policy, 'scope' | 'namespace'>): Policy['scope'] {
  return scope === 'Namespace' && namespace === '' ? 'Global' : scope;
}
