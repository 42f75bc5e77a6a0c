import type { Policy } from '../policy.ts';
import { canHold } from './convert-rule.ts';
import type { AuthorizationPolicy } from './policy-object.ts';
import { objectKey } from './policy-object.ts';

/**
 * What the control plane writes back to an object that is for node proxies: the condition `ZtunnelAccepted` (spec
 * istiod.md §8).
 */
export interface PolicyObjectStatus {
  readonly kind: 'AuthorizationPolicy';
  /** `namespace/name` of the object. */
  readonly object: string;
  /** Status of the condition: whether a policy is sent. */
  readonly accepted: boolean;
  /** `UnsupportedValue`: it is sent with something left out, or (not accepted) not at all. */
  readonly reason: 'Accepted' | 'UnsupportedValue';
  /** The words of the reference, to the letter; there are tools that look at them. */
  readonly message: string;
  /** Generation of the object, if it has one. */
  readonly observedGeneration: number | undefined;
}

/** What the status says of an object that is sent as it is written. */
export const ATTACHED = 'attached to ztunnel';

/** The reference says nothing of it (spec istiod.md §20), so this is added to what it says. */
const EMPTY_SELECTOR =
  'The selector is empty, so it selects no workload and nothing is enforced: leave it out to select the whole namespace.';

const ALLOW_OMITTED =
  'Within an ALLOW policy, rules matching HTTP attributes are omitted. This will be more restrictive than requested.';
const DENY_WIDENED =
  'DENY policy with HTTP attributes is enforced without the HTTP rules. This will be more restrictive than requested.';
const DENY_WITHOUT_EFFECT =
  'After omitting unsupported HTTP attributes, this DENY policy has no enforceable rules at ztunnel and will have no ' +
  'effect. Deploy a waypoint proxy and use a targetRef to enforce this policy.';

/** Status of an object that is not sent. */
export function rejectedStatus(object: AuthorizationPolicy, why: 'dry-run' | 'action'): PolicyObjectStatus {
  const message =
    why === 'action'
      ? `ztunnel does not support the ${object.spec?.action} action`
      : `found policy "${objectKey(object)}" using dry-run annotation, but support for ambient dry-run authorizationPolicies isn't enabled`;
  return { ...head(object), accepted: false, reason: 'UnsupportedValue', message };
}

/** Status of an object that is sent as `policy`, without `httpAttributes` (sorted, each once). */
export function acceptedStatus(
  object: AuthorizationPolicy,
  policy: Policy,
  httpAttributes: readonly string[],
): PolicyObjectStatus {
  const selectsNothing = policy.scope === 'WorkloadSelector' && !hasLabels(object);
  const remark = selectsNothing ? EMPTY_SELECTOR : undefined;
  if (httpAttributes.length === 0) {
    const message = remark === undefined ? ATTACHED : `${ATTACHED}. ${remark}`;
    return { ...head(object), accepted: true, reason: 'Accepted', message };
  }
  const sentences = [
    `ztunnel does not support HTTP attributes (found: ${httpAttributes.join(', ')}).`,
    'In ambient mode you must use a waypoint proxy to enforce HTTP rules.',
    describeEffect(policy),
    remark,
  ];
  const message = sentences.filter((sentence) => sentence !== undefined).join(' ');
  return { ...head(object), accepted: true, reason: 'UnsupportedValue', message };
}

function head(object: AuthorizationPolicy) {
  return {
    kind: 'AuthorizationPolicy',
    object: objectKey(object),
    observedGeneration: object.metadata.generation,
  } as const;
}

function hasLabels({ spec }: AuthorizationPolicy): boolean {
  return Object.keys(spec?.selector?.matchLabels ?? {}).length > 0;
}

function describeEffect({ action, rules }: Policy): string {
  if (action === 'Allow') return ALLOW_OMITTED;
  return rules.some((clauses) => clauses.every(canHold)) ? DENY_WIDENED : DENY_WITHOUT_EFFECT;
}
