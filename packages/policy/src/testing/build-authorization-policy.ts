import type { AuthorizationPolicy } from '../conversion/policy-object.ts';

/** An AuthorizationPolicy `n/p`, but for what is said. */
export function buildAuthorizationPolicy(
  spec: AuthorizationPolicy['spec'],
  metadata: Partial<AuthorizationPolicy['metadata']> = {},
): AuthorizationPolicy {
  return {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: 'p', namespace: 'n', ...metadata },
    ...(spec !== undefined && { spec }),
  };
}
