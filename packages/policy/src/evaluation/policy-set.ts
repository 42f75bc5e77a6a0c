import { explain } from '../explanation/explain.ts';
import type { Explanation } from '../explanation/explanation.ts';
import { readSubject } from '../matching/subject.ts';
import type { Connection, Policy, TargetWorkload } from '../policy.ts';
import { readPolicy } from '../validation/read-policy.ts';
import { CompiledPolicy } from './compiled-policy.ts';
import type { Decision } from './decision.ts';
import { type ApplyingPolicies, evaluatePolicies, type MissingPolicy } from './evaluate-policies.ts';
import { packPolicy } from './packed-policy.ts';
import { policyKey } from './policy-key.ts';
import { PolicyStore } from './policy-store.ts';
import type { Selection } from './selection.ts';

/** How connections are judged. */
export interface EvaluationOptions {
  /** What becomes of a connection whose destination names policies that nobody has put. `deny` if absent. */
  readonly missing?: MissingPolicy;
}

/**
 * A policy that was found good, made by `checkPolicy`: putting it into a set costs a map entry. Whatever else looks like one
 * is refused by the set.
 */
export interface CheckedPolicy {
  /** `namespace/name`. */
  readonly key: string;
  /** A copy of what was given. */
  readonly policy: Policy;
}

/**
 * Does what is slow about `PolicySet.put` beforehand, once for any number of sets: so many policies can come into force in
 * one go. Throws POLICY_INVALID with every mistake for what is no policy.
 */
export function checkPolicy(policy: Policy): CheckedPolicy {
  return new Checked(packPolicy(readPolicy(policy)));
}

/** Nobody else makes these. Each set compiles its own. */
class Checked implements CheckedPolicy {
  readonly key: string;
  readonly policy: Policy;

  constructor(policy: Policy) {
    this.key = policyKey(policy);
    this.policy = policy;
  }
}

/** Makes policies ready for judging connections. Of several with one key the last counts. Throws as `PolicySet.put`. */
export function compile(policies: Iterable<Policy>, options: EvaluationOptions = {}): PolicySet {
  const set = new PolicySet(options);
  for (const policy of policies) set.put(policy);
  return set;
}

/** Policies, compiled for judging many connections. Policies come and go one by one: a change costs what it touches. */
export class PolicySet {
  readonly #store = new PolicyStore();
  readonly #missing: MissingPolicy | undefined;

  constructor(options: EvaluationOptions = {}) {
    this.#missing = options.missing;
  }

  /** The number of policies. */
  get size(): number {
    return this.#store.size;
  }

  /** The policy of this key (`namespace/name`). */
  get(key: string): Policy | undefined {
    return this.#store.get(key)?.policy;
  }

  /**
   * Adds a policy, or replaces the one of the same key, wherever that applied. The set keeps a copy. Throws POLICY_INVALID
   * with every mistake for what is no policy: the old version stays in force then.
   */
  put(policy: Policy | CheckedPolicy): void {
    this.#store.put(new CompiledPolicy(policy instanceof Checked ? policy.policy : readPolicy(policy)));
  }

  /** Takes a policy out of force, by key (`namespace/name`); whether there was one. */
  remove(key: string): boolean {
    return this.#store.remove(key);
  }

  /**
   * The policies that apply to a workload: those of its namespace, global ones, and those that it names. Throws
   * POLICY_CONNECTION_INVALID for what is no workload.
   */
  select(workload: TargetWorkload): Selection {
    const { policies, missing } = this.#store.select(workload);
    return { policies: policies.map(({ policy }) => policy), missing };
  }

  /**
   * Judges a connection to `workload` (spec policy.md §4). `options` are for this time only. Throws
   * POLICY_CONNECTION_INVALID for a connection whose addresses, port or identity are none, or for what is no workload: it
   * must not pass.
   */
  evaluate(connection: Connection, workload: TargetWorkload, options: EvaluationOptions = {}): Decision {
    return this.#evaluate(this.#store.select(workload), connection, options);
  }

  /**
   * Judges a connection as `evaluate` does, and says why: each policy, rule and condition beside what the connection has.
   * Costs far more. Throws as `evaluate`.
   */
  explain(connection: Connection, workload: TargetWorkload, options: EvaluationOptions = {}): Explanation {
    const applying = this.#store.select(workload);
    const prepared = applying.policies.map((policy) => policy.prepared);
    return explain(prepared, connection, workload, this.#evaluate(applying, connection, options));
  }

  #evaluate(applying: ApplyingPolicies, connection: Connection, options: EvaluationOptions): Decision {
    return evaluatePolicies(applying, readSubject(connection), options.missing ?? this.#missing);
  }
}
