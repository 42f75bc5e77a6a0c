import type { Policy } from '../policy.ts';
import { policyKey } from './policy-key.ts';
import { RuleFinder } from './rule-finder.ts';

/** A policy made ready for comparing with many connections. */
export interface CompiledPolicy {
  readonly key: string;
  readonly policy: Policy;
  readonly rules: RuleFinder;
}

/** Compiles a policy that has been checked. */
export function compilePolicy(policy: Policy): CompiledPolicy {
  return { key: policyKey(policy), policy, rules: new RuleFinder(policy.rules) };
}
