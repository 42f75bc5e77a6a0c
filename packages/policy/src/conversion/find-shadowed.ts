import { findOldest } from './peer-authentication-scope.ts';
import type { PeerAuthentication } from './policy-object.ts';

/**
 * Objects that never count, as an older one is for the same workloads: each with that one. Only those with the same labels
 * are found; of others it depends on the workloads.
 */
export function findShadowed(
  objects: Iterable<PeerAuthentication>,
): ReadonlyMap<PeerAuthentication, PeerAuthentication> {
  const shadowed = new Map<PeerAuthentication, PeerAuthentication>();
  for (const group of Map.groupBy(objects, describeScope).values()) {
    const oldest = findOldest(group);
    for (const object of group) if (oldest !== undefined && object !== oldest) shadowed.set(object, oldest);
  }
  return shadowed;
}

function describeScope({ metadata, spec }: PeerAuthentication): string {
  const labels = Object.entries(spec?.selector?.matchLabels ?? {}).toSorted(([left], [right]) =>
    left < right ? -1 : 1,
  );
  return JSON.stringify([metadata.namespace ?? '', labels]);
}
