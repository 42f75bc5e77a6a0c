import type { TargetWorkload } from '../policy.ts';
import { checkWorkload } from './check-workload.ts';
import type { CompiledPolicy } from './compiled-policy.ts';
import { effectiveScope } from './effective-scope.ts';
import type { ApplyingPolicies } from './evaluate-policies.ts';

/** Policies by where they apply (spec policy.md §3). Nothing is derived from them, so a change costs what it touches. */
export class PolicyStore {
  readonly #byKey = new Map<string, CompiledPolicy>();
  readonly #global = new Set<CompiledPolicy>();
  /** Those of scope Namespace; no empty sets. */
  readonly #byNamespace = new Map<string, Set<CompiledPolicy>>();
  /** Number of the last selection. */
  #turn = 0;

  get size(): number {
    return this.#byKey.size;
  }

  get(key: string): CompiledPolicy | undefined {
    return this.#byKey.get(key);
  }

  /** Adds a policy, or replaces the one of the same key, which may have applied elsewhere. */
  put(policy: CompiledPolicy): void {
    this.remove(policy.key);
    this.#byKey.set(policy.key, policy);
    const { namespace } = policy.policy;
    const scope = effectiveScope(policy.policy);
    if (scope === 'Global') this.#global.add(policy);
    if (scope === 'Namespace') {
      const group = this.#byNamespace.get(namespace) ?? new Set();
      this.#byNamespace.set(namespace, group.add(policy));
    }
  }

  /** Whether there was one. */
  remove(key: string): boolean {
    const old = this.#byKey.get(key);
    if (old === undefined) return false;
    this.#byKey.delete(key);
    this.#global.delete(old);
    const { namespace } = old.policy;
    const group = this.#byNamespace.get(namespace);
    group?.delete(old);
    // Stryker disable next-line all: an empty group costs memory, but nobody can see it
    if (group?.size === 0) this.#byNamespace.delete(namespace);
    return true;
  }

  /**
   * Those of the workload's namespace, then global ones, then those that it names; each once. Throws
   * POLICY_CONNECTION_INVALID for what is no workload.
   */
  select(workload: TargetWorkload): ApplyingPolicies {
    checkWorkload(workload);
    // Stryker disable next-line all: any numbers do, as long as they differ
    const turn = ++this.#turn;
    const policies: CompiledPolicy[] = [];
    const take = (policy: CompiledPolicy): void => {
      if (policy.turn === turn) return;
      policy.turn = turn;
      policies.push(policy);
    };
    this.#byNamespace.get(workload.namespace)?.forEach(take);
    this.#global.forEach(take);
    const missing = new Set<string>();
    for (const key of workload.authorizationPolicies) {
      const policy = this.#byKey.get(key);
      if (policy === undefined) missing.add(key);
      else take(policy);
    }
    return { policies, missing: [...missing] };
  }
}
