import type { Policy } from '../policy.ts';

/** A waypoint proxy and the service accounts that its pods run as. */
export interface Waypoint {
  readonly namespace: string;
  readonly name: string;
  /** Of each pod; in any order, repeated or not. */
  readonly serviceAccounts: Iterable<string>;
}

/**
 * The policy that lets a waypoint reach the workloads behind it (spec istiod.md §6.4 C; off unless the control plane runs
 * with `PILOT_AUTO_ALLOW_WAYPOINT_POLICY`). Its key belongs at the end of `authorizationPolicies` of each of these
 * workloads, the waypoint's own pods excepted. Undefined for a waypoint without pods: then nobody may name it. Mind that
 * a workload with an ALLOW policy denies everybody else.
 */
export function allowWaypointPolicy(waypoint: Waypoint, trustDomain: string): Policy | undefined {
  const { namespace, name } = waypoint;
  const accounts = [...new Set(waypoint.serviceAccounts)].toSorted();
  if (accounts.length === 0) return undefined;
  const principals = accounts.map((account) => ({
    kind: 'exact' as const,
    value: `${trustDomain}/ns/${namespace}/sa/${account}`,
  }));
  return {
    // No Kubernetes object can have this name, for the `_` in it.
    name: `istio_allow_waypoint_${namespace}_${name}`,
    namespace,
    scope: 'WorkloadSelector',
    action: 'Allow',
    dryRun: false,
    rules: [[[{ principals }]]],
    source: { kind: 'Waypoint', object: `${namespace}/${name}`, rules: [], omitted: [], ignored: [] },
  };
}
