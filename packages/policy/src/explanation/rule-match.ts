import type { Subject } from '../matching/subject.ts';
import type { Match, Policy, Rule } from '../policy.ts';
import { CONDITIONS } from './condition.ts';

/** Whether any rule of a policy matches; the policy may have been compiled by nobody. */
export function matchesPolicy({ rules }: Pick<Policy, 'rules'>, subject: Subject): boolean {
  return rules.some((rule) => matchesRule(rule, subject));
}

/** Whether all clauses of a rule hold (spec policy.md §4.2). */
export function matchesRule(rule: Rule, subject: Subject): boolean {
  return rule.every((clause) => clause.length === 0 || clause.some((match) => matches(match, subject)));
}

function matches(match: Match, subject: Subject): boolean {
  let conditions = 0;
  for (const what of CONDITIONS) {
    if (what.size(match) === 0) continue;
    conditions++;
    if (what.isMet(match, subject) === what.negative) return false;
  }
  return conditions > 0;
}
