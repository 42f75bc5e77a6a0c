import { type PreparedPolicy, preparePolicy } from '../explanation/prepared-policy.ts';
import type { Policy } from '../policy.ts';
import { policyKey } from './policy-key.ts';
import { RuleFinder } from './rule-finder.ts';

/** A policy made ready for comparing with many connections. */
export class CompiledPolicy {
  readonly key: string;
  readonly policy: Policy;
  readonly rules: RuleFinder;
  #prepared: PreparedPolicy | undefined;

  /** Compiles a policy that has been checked. */
  constructor(policy: Policy) {
    this.key = policyKey(policy);
    this.policy = policy;
    this.rules = new RuleFinder(policy.rules);
  }

  /** Made ready for explanations, when first asked for: a policy that denies is asked again and again. */
  get prepared(): PreparedPolicy {
    this.#prepared ??= preparePolicy(this.policy, this.key, this.rules);
    return this.#prepared;
  }
}
