import { effectiveScope, type Policy } from '@ambientmesh/policy';
import type { Workload } from '../state/workload.ts';

/**
 * Which policies a group of changes touches. Collected while they are made, so that each pod is looked at once after the
 * last: its cost is the sum of changes and pods, not their product.
 */
export class GoverningChanges {
  #global = false;
  readonly #namespaces = new Set<string>();
  readonly #keys = new Set<string>();

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

  /** Whether a pod may be governed otherwise than before; its records of `before` and of `now`. */
  concern(before: Workload | undefined, now: Workload | undefined): boolean {
    if (!isGovernedAlike(before, now)) return true;
    if (!this.hasPolicies) return false;
    // Without a record nobody can say what governs it.
    if (this.#global || now === undefined || this.#namespaces.has(now.namespace)) return true;
    return now.authorizationPolicies.some((name) => this.#keys.has(name));
  }
}

function isGovernedAlike(one: Workload | undefined, other: Workload | undefined): boolean {
  const [names, others] = [one?.authorizationPolicies, other?.authorizationPolicies];
  if (names === undefined || others === undefined || names === others) return names === others;
  return names.length === others.length && names.every((name, index) => name === others[index]);
}
