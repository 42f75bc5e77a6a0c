import { policyKey } from './decision.ts';
import type { Policy } from './policy.ts';

/** Which policies apply to a destination, and which of those it names are not there. */
export interface Selection {
  readonly policies: readonly Policy[];
  /** Keys that the workload names and nobody has sent: their verdict is unknown, so the connection must not pass. */
  readonly missing: readonly string[];
}

/** Policies by where they apply (spec policy.md §3). */
export class PolicyIndex {
  readonly #byKey = new Map<string, Policy>();
  /** Namespace -> keys; global ones under the empty text. */
  readonly #byNamespace = new Map<string, Set<string>>();

  /** Adds a policy, or replaces the one of the same key. */
  put(policy: Policy): void {
    const key = policyKey(policy);
    this.remove(key);
    this.#byKey.set(key, policy);
    const namespace = indexOf(policy);
    if (namespace === undefined) return;
    const keys = this.#byNamespace.get(namespace) ?? new Set();
    this.#byNamespace.set(namespace, keys.add(key));
  }

  remove(key: string): void {
    const old = this.#byKey.get(key);
    if (old === undefined) return;
    this.#byKey.delete(key);
    const namespace = indexOf(old);
    if (namespace === undefined) return;
    const keys = this.#byNamespace.get(namespace);
    keys?.delete(key);
    if (keys?.size === 0) this.#byNamespace.delete(namespace);
  }

  /** The policies for a workload of `namespace` that names `named` policies. */
  select(namespace: string, named: readonly string[]): Selection {
    const keys = new Set([...(this.#byNamespace.get(namespace) ?? []), ...(this.#byNamespace.get('') ?? []), ...named]);
    const policies: Policy[] = [];
    const missing: string[] = [];
    for (const key of keys) {
      const policy = this.#byKey.get(key);
      if (policy === undefined) missing.push(key);
      else policies.push(policy);
    }
    return { policies, missing };
  }
}

function indexOf(policy: Policy): string | undefined {
  if (policy.scope === 'Global') return '';
  return policy.scope === 'Namespace' ? policy.namespace : undefined;
}
