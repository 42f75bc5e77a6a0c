import { type PreparedPolicy, preparePolicy } from '../explanation/prepared-policy.ts';
import type { Policy } from '../policy.ts';
import { policyKey } from './policy-key.ts';
import { RuleFinder } from './rule-finder.ts';

/**
 * A policy made ready for comparing with many connections: when the first comes, since most policies of a mesh apply to
 * nobody on the node that has to know them all.
 */
export class CompiledPolicy {
  readonly key: string;
  readonly policy: Policy;
  /** Number of the last selection of its store that has it: a set of the selected would take several times as long. */
  turn = 0;
  #rules: RuleFinder | undefined;
  #prepared: PreparedPolicy | undefined;

  /** `policy` has been checked, and does not change any more. */
  constructor(policy: Policy) {
    this.key = policyKey(policy);
    this.policy = policy;
  }

  get rules(): RuleFinder {
    this.#rules ??= new RuleFinder(this.policy.rules);
    return this.#rules;
  }

  /** Made ready for explanations, when first asked for: a policy that denies is asked again and again. */
  get prepared(): PreparedPolicy {
    this.#prepared ??= preparePolicy(this.policy, this.key, this.rules);
    return this.#prepared;
  }
}
