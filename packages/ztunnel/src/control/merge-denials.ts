import type { Denial } from '../data-plane/protocol.ts';

/** The denials that all data threads remember as one list, the latest first; equal ones are one, with the newest explanation. */
export function mergeDenials(ofThreads: readonly (readonly Denial[])[]): Denial[] {
  const merged = new Map<string, Denial>();
  for (const denial of ofThreads.flat()) {
    const key = keyOf(denial);
    const known = merged.get(key);
    merged.set(key, known === undefined ? denial : added(known, denial));
  }
  return [...merged.values()].toSorted((a, b) => b.lastEpochMs - a.lastEpochMs);
}

/** What makes two denials equal: all that is shown but times and counts. */
function keyOf({ kind, pod, connection, reason }: Denial): string {
  const { identity, sourceIp, destinationIp, destinationPort } = connection;
  const account = identity && [identity.trustDomain, identity.namespace, identity.serviceAccount];
  return JSON.stringify([
    kind,
    pod.namespace,
    pod.name,
    pod.serviceAccount,
    account,
    sourceIp,
    destinationIp,
    destinationPort,
    reason,
  ]);
}

function added(a: Denial, b: Denial): Denial {
  // A thread where it has not come again since the policies changed explains it by the old ones.
  const { explanation, explainedEpochMs } = (a.explainedEpochMs ?? 0) >= (b.explainedEpochMs ?? 0) ? a : b;
  return {
    ...a,
    count: a.count + b.count,
    firstEpochMs: Math.min(a.firstEpochMs, b.firstEpochMs),
    lastEpochMs: Math.max(a.lastEpochMs, b.lastEpochMs),
    explanation,
    explainedEpochMs,
    unexplained: explanation === undefined ? (a.unexplained ?? b.unexplained) : undefined,
  };
}
