import {
  type CheckedPolicy,
  type Connection,
  type Decision,
  type EvaluationOptions,
  type Explanation,
  type Policy,
  PolicySet,
  type Selection,
  type TargetWorkload,
} from '@ambientmesh/policy';
import { TwoSided } from './two-sided.ts';

/** The policies a data thread goes by; see `PolicySet`. */
export class MeshPolicies {
  readonly #sides: TwoSided<PolicySet>;

  constructor(options: EvaluationOptions = {}) {
    this.#sides = new TwoSided(() => new PolicySet(options));
  }

  /** For changes that are to be seen together, later. */
  get sides(): TwoSided<PolicySet> {
    return this.#sides;
  }

  get(key: string): Policy | undefined {
    return this.#sides.current.get(key);
  }

  put(policy: Policy | CheckedPolicy): void {
    this.#sides.write((policies) => policies.put(policy));
  }

  remove(key: string): void {
    this.#sides.write((policies) => policies.remove(key));
  }

  select(workload: TargetWorkload): Selection {
    return this.#sides.current.select(workload);
  }

  evaluate(connection: Connection, workload: TargetWorkload, options: EvaluationOptions = {}): Decision {
    return this.#sides.current.evaluate(connection, workload, options);
  }

  explain(connection: Connection, workload: TargetWorkload): Explanation {
    return this.#sides.current.explain(connection, workload);
  }
}
