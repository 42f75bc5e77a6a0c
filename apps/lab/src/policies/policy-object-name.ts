import { LabError } from '../errors.ts';
import { DEFAULT_NAMESPACE } from '../topology/topology.ts';

/** What the lab takes as policies. */
export const POLICY_KINDS = ['AuthorizationPolicy', 'PeerAuthentication'] as const;

/** What kubectl calls them, too. */
const SHORT_NAMES: Readonly<Record<string, string>> = { ap: 'authorizationpolicy', pa: 'peerauthentication' };

/** `KIND/NAMESPACE/NAME` of an object, in the form the lab keeps it under. */
export type PolicyObjectName = `${(typeof POLICY_KINDS)[number]}/${string}/${string}`;

/** Reads `KIND/NAMESPACE/NAME`; `ap` and `pa` are kinds as well, capitals do not matter. Throws LAB_ARGUMENT_INVALID. */
export function parsePolicyObjectName(text: string): PolicyObjectName {
  const [given = '', namespace = '', name = '', ...more] = text.split('/');
  const lower = given.toLowerCase();
  const kind = POLICY_KINDS.find((one) => one.toLowerCase() === (SHORT_NAMES[lower] ?? lower));
  if (kind === undefined || namespace === '' || name === '' || more.length > 0)
    throw new LabError(
      'LAB_ARGUMENT_INVALID',
      `${text}: want KIND/NAMESPACE/NAME, KIND one of ${POLICY_KINDS.join(', ')}`,
    );
  return `${kind}/${namespace}/${name}`;
}

/** Whether an object can be kept, and asked for, under this name: not if it does not say its own. */
export function isPolicyObjectName(text: string): text is PolicyObjectName {
  const [kind, namespace = '?', name = '?', ...more] = text.split('/');
  return POLICY_KINDS.some((one) => one === kind) && namespace !== '?' && name !== '?' && more.length === 0;
}

/** What the object of `value` is called, as far as it says; for messages, also of those that are refused. */
export function policyObjectNameOf(value: unknown): string {
  const { kind, metadata } = asRecord(value);
  const { namespace, name } = asRecord(metadata);
  return [textOf(kind), textOf(namespace ?? DEFAULT_NAMESPACE), textOf(name)].join('/');
}

/** Whether `value` is an object, not a list. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `value` if it is an object, otherwise an empty one. */
export function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {};
}

function textOf(value: unknown): string {
  return typeof value === 'string' && value !== '' ? value : '?';
}
