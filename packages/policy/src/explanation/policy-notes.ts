import type { Decision } from '../evaluation/decision.ts';
import { effectiveScope } from '../evaluation/effective-scope.ts';
import { policyKey } from '../evaluation/policy-key.ts';
import type { Policy } from '../policy.ts';
import type { HttpAttributes } from '../policy-source.ts';
import type { Facts } from './facts.ts';

/** Name of the policy that every strict workload names, in the root namespace (spec istiod.md §6.3). */
const STATIC_STRICT = 'istio_converted_static_strict';
/** Names of policies that a PeerAuthentication was converted to begin with this (spec istiod.md §6.3). */
const CONVERTED_PEER_AUTHENTICATION = 'converted_peer_authentication_';

/** Facts about a policy that its rules do not tell, in words. */
export function notePolicy(
  policy: Policy,
  matched: boolean,
  decision: Decision,
  { subject }: Facts,
): readonly string[] {
  const notes: string[] = [];
  const origin = describeOrigin(policy);
  if (origin !== undefined) notes.push(origin);
  if (origin !== undefined && matched && policy.action === 'Deny' && subject.identity === undefined)
    notes.push('the client has to be in the mesh, or mTLS has to be PERMISSIVE');
  for (const omitted of policy.source?.omitted ?? []) notes.push(describeOmitted(omitted));
  for (const ignored of policy.source?.ignored ?? []) notes.push(describeIgnored(ignored, policy));
  if (policy.scope !== effectiveScope(policy)) notes.push('its namespace is empty, so it applies to the whole mesh');
  if (policy.rules.length === 0) notes.push(describeNoRules(policy));
  if (policy.dryRun) notes.push(describeDryRun(policy, decision));
  return notes;
}

function describeOrigin({ name, namespace, source }: Policy): string | undefined {
  if (name === STATIC_STRICT)
    return `PeerAuthentication ${source?.object ? `${source.object} ` : ''}STRICT: denies clients without a certificate`;
  if (source?.kind === 'PeerAuthentication' || name.startsWith(CONVERTED_PEER_AUTHENTICATION)) {
    const object = source?.object ?? `${namespace}/${name.slice(CONVERTED_PEER_AUTHENTICATION.length)}`;
    return `made of PeerAuthentication ${object}: denies clients without a certificate on its STRICT ports`;
  }
  if (source?.kind === 'Waypoint') return `made for waypoint ${source.object}: admits what has passed through it`;
  return undefined;
}

function describeOmitted(omitted: HttpAttributes): string {
  return (
    `rule ${omitted.rule + 1} is left out: ${nameAttributes(omitted)} only a waypoint can judge, ` +
    'so less is allowed than written'
  );
}

function describeIgnored(ignored: HttpAttributes, { rules, source }: Policy): string {
  const rule = rules[source?.rules.indexOf(ignored.rule) ?? -1];
  const dead = rule === undefined || rule.some((clause) => clause.length > 0 && clause.every(isEmpty));
  const effect = dead ? 'so the rule denies nothing' : 'so more is denied than written';
  return `in rule ${ignored.rule + 1}, ${nameAttributes(ignored)} only a waypoint can judge and ${ignored.attributes.length === 1 ? 'is' : 'are'} ignored here, ${effect}`;
}

function isEmpty(match: Policy['rules'][number][number][number]): boolean {
  return Object.values(match).every((list: readonly unknown[] | undefined) => (list?.length ?? 0) === 0);
}

function nameAttributes({ attributes }: HttpAttributes): string {
  const named = attributes.map((name) => `\`${name}\``).join(', ');
  return `${named} (HTTP)`;
}

function describeNoRules({ action, source }: Policy): string {
  if (action === 'Deny') return 'has no rules, so it denies nothing';
  if (source === undefined)
    return 'has no rules, so it admits nobody (rules with HTTP attributes are left out of what a node proxy is sent)';
  return source.omitted.length > 0 ? 'no rule is left, so it admits nobody' : 'has no rules, so it admits nobody';
}

function describeDryRun(policy: Policy, { allowed, shadows }: Decision): string {
  const key = policyKey(policy);
  const shadow = shadows.find((one) => one.policy === key);
  if (shadow === undefined) return 'dry run: never enforced';
  if (shadow.verdict.allowed === allowed)
    return `dry run: enforced, it would change nothing, the connection would ${allowed ? 'still pass' : 'be denied all the same'}`;
  const reason = shadow.verdict.allowed ? '' : ` (${shadow.verdict.reason})`;
  return `dry run: enforced, the connection would ${shadow.verdict.allowed ? 'pass' : 'be denied'}${reason}`;
}
