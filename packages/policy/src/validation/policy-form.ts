/**
 * What somebody's data is meant to be: an `object` of Kubernetes (`kind: AuthorizationPolicy`), a `message` to a node proxy
 * (`scope: NAMESPACE`, `groups`), a `policy` in the form of this package, or a `local` one of the configuration of a node
 * proxy or its dump (`{"Exact": "x"}`, `"10.0.0.0/8"`). For choosing a reader, which then tells what is wrong; data that
 * could be any is a policy.
 */
export type PolicyForm = 'object' | 'message' | 'policy' | 'local';

/** Guesses the form by the fields of the top level. Never throws. */
export function guessForm(value: unknown): PolicyForm {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'policy';
  if (['kind', 'apiVersion', 'metadata', 'spec'].some((field) => field in value)) return 'object';
  if (['groups', '@type', 'dry_run'].some((field) => field in value) || names(value, WIRE_NAMES)) return 'message';
  // A message leaves out what is default: `name` alone may be one, a policy of ours may not.
  if ('rules' in value || names(value, OWN_NAMES))
    return hasLocalValue(Reflect.get(value, 'rules')) ? 'local' : 'policy';
  return 'message';
}

const WIRE_NAMES: readonly unknown[] = ['GLOBAL', 'NAMESPACE', 'WORKLOAD_SELECTOR', 'ALLOW', 'DENY'];
const OWN_NAMES: readonly unknown[] = ['Global', 'Namespace', 'WorkloadSelector', 'Allow', 'Deny'];

function names(value: object, known: readonly unknown[]): boolean {
  return ['scope', 'action'].some((field) => known.includes(Reflect.get(value, field)));
}

const LOCAL_PATTERNS = ['Exact', 'Prefix', 'Suffix', 'Presence'];

/** Whether a value of a match is written as only a node proxy does. */
function hasLocalValue(rules: unknown): boolean {
  return itemsOf(rules)
    .flatMap((rule) => itemsOf(rule).flatMap(itemsOf))
    .some((match) => itemsOf(match).some((values) => itemsOf(values).some(isLocalValue)));
}

function isLocalValue(value: unknown): boolean {
  if (typeof value === 'string') return value.includes('/');
  return typeof value === 'object' && value !== null && LOCAL_PATTERNS.some((kind) => kind in value);
}

/** Of a list, or of a map. */
function itemsOf(value: unknown): readonly unknown[] {
  return typeof value === 'object' && value !== null ? Object.values(value) : [];
}
