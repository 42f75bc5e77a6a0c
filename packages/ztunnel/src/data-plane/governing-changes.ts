import { effectiveScope, type Policy } from '@ambientmesh/policy';
import { podKey } from '../state/mesh-state.ts';
import type { Workload } from '../state/workload.ts';
import type { PodInfo } from './protocol.ts';

/**
 * What a group of changes may have changed of what governs pods. Collected while they are made, so that each pod is looked
 * at once after the last: its cost is the sum of changes and pods, not their product.
 */
export class GoverningChanges {
  #global = false;
  readonly #namespaces = new Set<string>();
  readonly #keys = new Set<string>();
  /** Names of a pod -> the record that counted for it before. */
  readonly #before = new Map<string, Workload | undefined>();

  /** Services alone govern nobody. */
  get isEmpty(): boolean {
    return this.#before.size === 0 && !this.hasPolicies;
  }

  get hasPolicies(): boolean {
    return this.#keys.size > 0;
  }

  /** One version of a policy that was put or removed; both versions of one that was replaced. */
  addPolicy(key: string, policy: Policy): void {
    this.#keys.add(key);
    const scope = effectiveScope(policy);
    if (scope === 'Global') this.#global = true;
    if (scope === 'Namespace') this.#namespaces.add(policy.namespace);
  }

  /** A record of `pod` is about to change; `record`: the one that counts for it. Of several calls for a pod the first counts. */
  addRecord(pod: PodInfo, record: Workload | undefined): void {
    const key = podKey(pod);
    if (!this.#before.has(key)) this.#before.set(key, record);
  }

  /** Whether `pod`, for which `record` counts now, may be governed otherwise than before. */
  concern(pod: PodInfo, record: Workload | undefined): boolean {
    const key = podKey(pod);
    if (this.#before.has(key) && !isGovernedAlike(this.#before.get(key), record)) return true;
    if (!this.hasPolicies) return false;
    // Without a record nobody can say what governs it.
    if (this.#global || record === undefined || this.#namespaces.has(record.namespace)) return true;
    return record.authorizationPolicies.some((name) => this.#keys.has(name));
  }
}

function isGovernedAlike(one: Workload | undefined, other: Workload | undefined): boolean {
  const [names, others] = [one?.authorizationPolicies, other?.authorizationPolicies];
  if (names === undefined || others === undefined) return names === others;
  return names.length === others.length && names.every((name, index) => name === others[index]);
}
