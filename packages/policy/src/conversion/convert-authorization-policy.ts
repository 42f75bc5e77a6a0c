import type { Policy, Rule } from '../policy.ts';
import type { HttpAttributes } from '../policy-source.ts';
import { convertRule } from './convert-rule.ts';
import { type AuthorizationPolicy, DEFAULT_ROOT_NAMESPACE, objectKey } from './policy-object.ts';
import { acceptedStatus, type PolicyObjectStatus, rejectedStatus } from './policy-status.ts';

/** How objects are converted. */
export interface ConversionOptions {
  /** Namespace of the objects that are for the whole mesh; `istio-system` unless given. */
  readonly rootNamespace?: string;
  /**
   * Whether node proxies get dry-run policies. Off unless given, as in the reference
   * (`AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY`): a proxy that does not know them enforces them.
   */
  readonly dryRun?: boolean;
}

/** What becomes of one AuthorizationPolicy. */
export interface ConvertedAuthorizationPolicy {
  /** Undefined if node proxies get nothing. */
  readonly policy: Policy | undefined;
  /** Undefined if the object is for waypoints only. */
  readonly status: PolicyObjectStatus | undefined;
}

/** Says that a policy is to be observed only. */
export const DRY_RUN_ANNOTATION = 'istio.io/dry-run';

/** Texts that Go's `strconv.ParseBool` takes for true. */
const TRUE_TEXTS = ['1', 't', 'T', 'TRUE', 'true', 'True'];
const FALSE_TEXTS = ['0', 'f', 'F', 'FALSE', 'false', 'False'];

/** Converts one object (spec istiod.md §6.1). Never throws: values that cannot be read are dropped, as the reference does. */
export function convertAuthorizationPolicy(
  object: AuthorizationPolicy,
  { rootNamespace = DEFAULT_ROOT_NAMESPACE, dryRun: sendsDryRun = false }: ConversionOptions = {},
): ConvertedAuthorizationPolicy {
  const { selector, action = 'ALLOW', rules = [] } = object.spec ?? {};
  const { name, namespace = '' } = object.metadata;
  const dryRun = readDryRun(object) === true;
  if (dryRun && !sendsDryRun) return { policy: undefined, status: rejectedStatus(object, 'dry-run') };
  if (hasTargets(object)) return { policy: undefined, status: undefined };
  if (action !== 'ALLOW' && action !== 'DENY') return { policy: undefined, status: rejectedStatus(object, 'action') };
  const { sent, omitted, ignored, origins } = convertRules(rules, action, namespace);
  const policy: Policy = {
    name,
    namespace,
    scope: selector === undefined ? scopeOf(namespace, rootNamespace) : 'WorkloadSelector',
    action: action === 'DENY' ? 'Deny' : 'Allow',
    dryRun,
    rules: sent,
    source: { kind: 'AuthorizationPolicy', object: objectKey(object), rules: origins, omitted, ignored },
  };
  const attributes = new Set([...omitted, ...ignored].flatMap((rule) => rule.attributes));
  return { policy, status: acceptedStatus(object, policy, [...attributes].toSorted()) };
}

/** Whether the object is for waypoints: it names what it is bound to. */
export function hasTargets({ spec }: AuthorizationPolicy): boolean {
  return spec?.targetRef !== undefined || (spec?.targetRefs ?? []).length > 0;
}

/** What the annotation `istio.io/dry-run` says; `invalid` counts as no annotation at all, so that the policy is enforced. */
export function readDryRun(object: AuthorizationPolicy): boolean | 'invalid' {
  const text = object.metadata.annotations?.[DRY_RUN_ANNOTATION] ?? '';
  if (text === '' || FALSE_TEXTS.includes(text)) return false;
  return TRUE_TEXTS.includes(text) || 'invalid';
}

function scopeOf(namespace: string, rootNamespace: string): Policy['scope'] {
  return namespace === rootNamespace ? 'Global' : 'Namespace';
}

type ObjectRules = NonNullable<NonNullable<AuthorizationPolicy['spec']>['rules']>;

function convertRules(rules: ObjectRules, action: 'ALLOW' | 'DENY', namespace: string) {
  const sent: Rule[] = [];
  const origins: number[] = [];
  const omitted: HttpAttributes[] = [];
  const ignored: HttpAttributes[] = [];
  for (const [index, written] of rules.entries()) {
    const { rule, httpAttributes } = convertRule(written, namespace);
    const found = httpAttributes.length > 0;
    // Without the condition the rule would allow more than written, so it goes; a DENY rule denies more, so it stays.
    if (found) (action === 'ALLOW' ? omitted : ignored).push({ rule: index, attributes: httpAttributes });
    if (found && action === 'ALLOW') continue;
    sent.push(rule);
    origins.push(index);
  }
  return { sent, origins, omitted, ignored };
}
