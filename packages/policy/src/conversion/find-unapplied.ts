import { hasTargets } from './convert-authorization-policy.ts';
import { isSelected } from './convert-policies.ts';
import { peerAuthenticationKeys } from './effective-peer-authentication.ts';
import {
  findOldest,
  modeOf,
  type PeerAuthenticationScopes,
  portModes,
  type SelectedWorkload,
  selectsWorkloads,
} from './peer-authentication-scope.ts';
import {
  type AuthorizationPolicy,
  DEFAULT_ROOT_NAMESPACE,
  objectKey,
  type PeerAuthentication,
  type PolicyObject,
} from './policy-object.ts';

/** An object that has no part in what becomes of connections to a workload. */
export interface UnappliedObject {
  readonly kind: PolicyObject['kind'];
  /** `namespace/name`. */
  readonly object: string;
  /** In words: `selects app=api; the workload has no labels`. */
  readonly why: string;
}

/** Which objects do not apply to a workload, and why, in their order. Costs what there are objects. Never throws. */
export function findUnapplied(
  objects: readonly PolicyObject[],
  workload: SelectedWorkload,
  rootNamespace: string = DEFAULT_ROOT_NAMESPACE,
): readonly UnappliedObject[] {
  const effect = findPeerEffect(
    objects.filter((object) => object.kind === 'PeerAuthentication'),
    workload,
    rootNamespace,
  );
  return objects.flatMap((object): readonly UnappliedObject[] => {
    const why =
      describePlace(object, workload, rootNamespace) ??
      (object.kind === 'AuthorizationPolicy' ? describeAction(object) : describeEffect(object, effect));
    return why === undefined ? [] : [{ kind: object.kind, object: objectKey(object), why }];
  });
}

/** What the objects of a mesh together say of plain text to a workload. */
interface PeerEffect {
  /** Those that count. */
  readonly deciding: readonly PeerAuthentication[];
  readonly refuses: boolean;
}

function findPeerEffect(
  peers: readonly PeerAuthentication[],
  workload: SelectedWorkload,
  rootNamespace: string,
): PeerEffect {
  const wide = peers.filter((peer) => !selectsWorkloads(peer));
  const oldestIn = (place: string) => findOldest(wide.filter(({ metadata }) => metadata.namespace === place));
  const scopes: PeerAuthenticationScopes = { mesh: oldestIn(rootNamespace), namespace: oldestIn(workload.namespace) };
  const own = findOldest(
    peers.filter((peer) => describePlace(peer, workload, rootNamespace) === undefined && selectsWorkloads(peer)),
  );
  const byMode = [own, scopes.namespace, scopes.mesh].find((peer) => modeOf(peer?.spec?.mtls) !== 'UNSET');
  const byPorts = own !== undefined && portModes(own).length > 0 ? own : undefined;
  const keys = peerAuthenticationKeys(own, scopes, rootNamespace);
  return {
    deciding: [byMode, byPorts].filter((peer) => peer !== undefined),
    refuses: keys.length > 0,
  };
}

function describePlace(object: PolicyObject, workload: SelectedWorkload, rootNamespace: string): string | undefined {
  const { namespace = '' } = object.metadata;
  if (object.kind === 'AuthorizationPolicy' && hasTargets(object))
    return 'is for a waypoint, node proxies do not get it';
  if (namespace !== workload.namespace && namespace !== rootNamespace) return `is for namespace ${namespace}`;
  return describeSelector(object, workload, namespace === rootNamespace);
}

function describeSelector(object: PolicyObject, workload: SelectedWorkload, inRoot: boolean): string | undefined {
  const { kind, spec } = object;
  const labels = Object.entries(spec?.selector?.matchLabels ?? {});
  if (labels.length === 0)
    return kind === 'AuthorizationPolicy' && spec?.selector !== undefined
      ? 'has an empty selector, which selects no workload'
      : undefined;
  if (kind === 'PeerAuthentication' && inRoot) return 'selects workloads, which has no effect in the root namespace';
  if (isSelected(object, workload)) return undefined;
  return `selects ${listLabels(labels)}; the workload has ${listLabels(Object.entries(workload.labels))}`;
}

function describeAction({ spec }: AuthorizationPolicy): string | undefined {
  const { action = 'ALLOW' } = spec ?? {};
  return action === 'ALLOW' || action === 'DENY' ? undefined : `has action ${action}, node proxies do not get it`;
}

function describeEffect(object: PeerAuthentication, { deciding, refuses }: PeerEffect): string | undefined {
  const [first] = deciding;
  if (first === undefined) return 'sets no mode';
  if (!deciding.includes(object)) return `does not count: ${objectKey(first)} does`;
  return refuses ? undefined : `is ${modeOf(object.spec?.mtls)}: it refuses no plain text`;
}

function listLabels(labels: readonly (readonly [string, string])[]): string {
  return labels.map(([name, value]) => `${name}=${value}`).join(',') || 'no labels';
}
