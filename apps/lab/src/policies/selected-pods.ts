import type { PolicyObject } from '@ambientmesh/policy';
import { labelsOf, namespaceOf, type PodSpec } from '../topology/topology.ts';

/** Objects of this namespace are for the whole mesh. */
const ROOT_NAMESPACE = 'istio-system';
const MAX_SHOWN_LABELS = 16;

/** The pods an object is for. One for a waypoint is for none. */
export function selectPods(object: PolicyObject, pods: readonly PodSpec[]): readonly PodSpec[] {
  const { selector } = object.spec ?? {};
  const wanted = Object.entries(selector?.matchLabels ?? {});
  if (selectsNothing(object)) return [];
  return podsInReach(object, pods).filter((pod) => {
    const labels = new Map(Object.entries(labelsOf(pod)));
    return wanted.every(([name, value]) => labels.get(name) === value);
  });
}

/** Why an object is for no pod at all; undefined if it is for some, or if that lies in its form, of which others warn. */
export function explainNoPod(object: PolicyObject, pods: readonly PodSpec[]): string | undefined {
  if (selectsNothing(object) || selectPods(object, pods).length > 0) return undefined;
  const inReach = podsInReach(object, pods);
  if (inReach.length === 0) {
    const namespaces = listOf(pods.map(namespaceOf));
    return `selects no pod: there is none in namespace ${namespaceOf(object.metadata)} (there are some in ${namespaces})`;
  }
  const labels = inReach.flatMap((pod) => Object.entries(labelsOf(pod)).map(([name, value]) => `${name}=${value}`));
  return `selects no pod: labels there are ${listOf(labels)}`;
}

/** Whether it names what it is bound to: ztunnels do not get it. */
export function isForWaypoint(object: PolicyObject): boolean {
  if (object.kind === 'PeerAuthentication') return false;
  const { targetRef, targetRefs = [] } = object.spec ?? {};
  return targetRef !== undefined || targetRefs.length > 0;
}

/** Spec istiod.md §6: who selects nothing by its form. */
function selectsNothing(object: PolicyObject): boolean {
  const { kind, metadata, spec } = object;
  if (isForWaypoint(object)) return true;
  const selector = spec?.selector;
  const empty = Object.keys(selector?.matchLabels ?? {}).length === 0;
  if (kind === 'PeerAuthentication') return !empty && namespaceOf(metadata) === ROOT_NAMESPACE;
  return selector !== undefined && empty;
}

function podsInReach({ metadata }: PolicyObject, pods: readonly PodSpec[]): readonly PodSpec[] {
  const namespace = namespaceOf(metadata);
  return namespace === ROOT_NAMESPACE ? pods : pods.filter((pod) => namespaceOf(pod) === namespace);
}

function listOf(texts: readonly string[]): string {
  const [...each] = new Set(texts);
  const shown = each.toSorted().slice(0, MAX_SHOWN_LABELS);
  return [...shown, ...(each.length > shown.length ? ['…'] : [])].join(', ') || 'no namespace';
}
