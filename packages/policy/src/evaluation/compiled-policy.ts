import type { Subject } from '../matching/subject.ts';
import type { Policy } from '../policy.ts';
import { compileRule } from './compile-rule.ts';
import { policyKey } from './policy-key.ts';

/** A policy made ready for comparing with many connections. */
export interface CompiledPolicy {
  readonly key: string;
  readonly policy: Policy;
  /** Index of the first rule that matches, whatever the action; undefined if none does. */
  readonly findRule: (subject: Subject) => number | undefined;
}

/** Compiles a policy that has been checked; a policy without rules matches nothing. */
export function compilePolicy(policy: Policy): CompiledPolicy {
  const rules = policy.rules.map(compileRule);
  return {
    key: policyKey(policy),
    policy,
    findRule(subject) {
      const index = rules.findIndex((matches) => matches(subject));
      return index < 0 ? undefined : index;
    },
  };
}
