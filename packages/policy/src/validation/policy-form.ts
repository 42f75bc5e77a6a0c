/**
 * What somebody's data is meant to be: an `object` of Kubernetes (`kind: AuthorizationPolicy`), a `message` to a node proxy
 * (`scope: NAMESPACE`, `groups`), or a `policy` in the form of this package. For choosing a reader, which then tells
 * what is wrong; data that could be either is a policy.
 */
export type PolicyForm = 'object' | 'message' | 'policy';

/** Guesses the form by the fields of the top level. Never throws. */
export function guessForm(value: unknown): PolicyForm {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'policy';
  if ('kind' in value || 'apiVersion' in value) return 'object';
  if (['groups', '@type', 'dry_run'].some((field) => field in value) || names(value, WIRE_NAMES)) return 'message';
  // A message leaves out what is default: `name` alone may be one, a policy of ours may not.
  return 'rules' in value || names(value, OWN_NAMES) ? 'policy' : 'message';
}

const WIRE_NAMES: readonly unknown[] = ['GLOBAL', 'NAMESPACE', 'WORKLOAD_SELECTOR', 'ALLOW', 'DENY'];
const OWN_NAMES: readonly unknown[] = ['Global', 'Namespace', 'WorkloadSelector', 'Allow', 'Deny'];

function names(value: object, known: readonly unknown[]): boolean {
  return ['scope', 'action'].some((field) => known.includes(Reflect.get(value, field)));
}
