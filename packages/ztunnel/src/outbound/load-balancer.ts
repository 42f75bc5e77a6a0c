import type { LoadBalancingScope, Service } from '../state/service.ts';
import type { Endpoint, Workload } from '../state/workload.ts';

/** An endpoint that could take a connection, with its workload. */
export interface Candidate {
  readonly workload: Workload;
  readonly endpoint: Endpoint;
}

/** Services whose rotation is remembered; the one used longest ago is forgotten first. */
const MAX_ROTATIONS = 4096;

/**
 * Spreads the connections of a service over its endpoints: those nearest to the client by the service's locality
 * preferences (spec ztunnel.md §7), and among them smooth weighted round robin by capacity. The reference draws at
 * random by weight; a rotation keeps the weights and spreads evenly over short runs too.
 */
export class LoadBalancer {
  /** Service and port -> workload uid -> current weight. */
  readonly #rotations = new Map<string, Map<string, number>>();
  readonly #random: () => number;

  /** `random` answers [0, 1): where each rotation begins, lest all nodes begin at the same endpoint. */
  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** The next endpoint for a connection of `client`; undefined when none may be used. `rotation` names the service and port. */
  pick(rotation: string, service: Service, client: Workload, candidates: readonly Candidate[]): Candidate | undefined {
    const nearest = nearestOf(service, client, candidates).filter((candidate) => candidate.workload.capacity > 0);
    if (nearest.length < 2) return nearest[0];
    const weights = this.#rotationOf(rotation);
    let total = 0;
    let chosen: Candidate | undefined;
    let heaviest = Number.NEGATIVE_INFINITY;
    for (const candidate of nearest) {
      const { capacity, uid } = candidate.workload;
      const weight = (weights.get(uid) ?? this.#random() * capacity) + capacity;
      weights.set(uid, weight);
      total += capacity;
      if (weight > heaviest) [heaviest, chosen] = [weight, candidate];
    }
    if (chosen !== undefined) weights.set(chosen.workload.uid, heaviest - total);
    // All of `nearest` are in there now: only more than those can have some to forget.
    if (weights.size > nearest.length) keepOnly(weights, nearest);
    return chosen;
  }

  #rotationOf(key: string): Map<string, number> {
    const known = this.#rotations.get(key);
    if (known !== undefined) this.#rotations.delete(key);
    const rotation = known ?? new Map<string, number>();
    this.#rotations.set(key, rotation);
    if (this.#rotations.size > MAX_ROTATIONS) {
      const oldest = this.#rotations.keys().next().value;
      if (oldest !== undefined) this.#rotations.delete(oldest);
    }
    return rotation;
  }
}

/** Forgets the weights of workloads that are not among `candidates`. */
function keepOnly(weights: Map<string, number>, candidates: readonly Candidate[]): void {
  const uids = new Set(candidates.map((candidate) => candidate.workload.uid));
  for (const uid of weights.keys()) if (!uids.has(uid)) weights.delete(uid);
}

/** The candidates of the best locality rank; with STRICT only those that match every preference. */
function nearestOf(service: Service, client: Workload, candidates: readonly Candidate[]): readonly Candidate[] {
  const balancing = service.loadBalancing;
  if (balancing === undefined || (balancing.mode !== 'Strict' && balancing.mode !== 'Failover')) return candidates;
  const { mode, preferences } = balancing;
  let best = 0;
  let nearest: Candidate[] = [];
  for (const candidate of candidates) {
    const matching = preferences.map((scope) => scopeOf(scope, client) === scopeOf(scope, candidate.workload));
    if (mode === 'Strict' && !matching.every(Boolean)) continue;
    const rank = rankOf(preferences, matching);
    if (rank < best) continue;
    if (rank > best) [best, nearest] = [rank, []];
    nearest.push(candidate);
  }
  return nearest;
}

/** Number of leading preferences that match; a first preference of NETWORK outweighs all others together. */
function rankOf(preferences: readonly LoadBalancingScope[], matching: readonly boolean[]): number {
  let rank = 0;
  for (const [index, scope] of preferences.entries()) {
    const leadingNetwork = index === 0 && scope === 'Network';
    if (matching[index] === true) rank += leadingNetwork ? preferences.length : 1;
    else if (!leadingNetwork) break;
  }
  return rank;
}

function scopeOf(scope: LoadBalancingScope, workload: Workload): string {
  switch (scope) {
    case 'Region':
      return workload.locality.region;
    case 'Zone':
      return workload.locality.zone;
    case 'Subzone':
      return workload.locality.subzone;
    case 'Node':
      return workload.node;
    case 'Cluster':
      return workload.clusterId;
    case 'Network':
      return workload.network;
  }
}
