import type { Denial } from '../data-plane/protocol.ts';

/**
 * The denials that all data threads remember as one list, the latest first; equal ones are one, with the newest explanation
 * and, if the last thing that a thread found since is that it cannot explain, with that, too.
 */
export function mergeDenials(ofThreads: readonly (readonly Denial[])[]): Denial[] {
  const groups = Map.groupBy(ofThreads.flat(), keyOf);
  return [...groups.values()].map(merge).toSorted((a, b) => b.lastEpochMs - a.lastEpochMs);
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

function merge(equal: readonly Denial[]): Denial {
  const latestFirst = equal.toSorted((a, b) => b.lastEpochMs - a.lastEpochMs);
  // A thread where it has not come again since the policies changed explains it by the old ones.
  const newest = equal.reduce((a, b) => (explainedAt(a) >= explainedAt(b) ? a : b));
  // Equal policies give equal words: what cannot be explained after an explanation came by other policies.
  const unexplained = latestFirst.find(
    (denial) =>
      denial.explanation === undefined && denial.unexplained !== undefined && denial.lastEpochMs > explainedAt(newest),
  )?.unexplained;
  return {
    ...newest,
    count: equal.reduce((sum, { count }) => sum + count, 0),
    firstEpochMs: Math.min(...equal.map(({ firstEpochMs }) => firstEpochMs)),
    lastEpochMs: Math.max(...equal.map(({ lastEpochMs }) => lastEpochMs)),
    unexplained,
  };
}

function explainedAt({ explainedEpochMs }: Denial): number {
  return explainedEpochMs ?? -Infinity;
}
