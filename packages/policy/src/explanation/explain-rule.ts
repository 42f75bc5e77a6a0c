import { type Failure, MatchAttempt, RuleAttempt } from './attempt.ts';
import type { ClauseExplanation, FieldExplanation, MatchExplanation, RuleExplanation } from './explanation.ts';
import type { Facts } from './facts.ts';
import type { PreparedMatch, PreparedPolicy, PreparedRule } from './prepared-policy.ts';

/** What becomes of one rule. */
export interface ExplainedRule {
  readonly explanation: RuleExplanation;
  /** Undefined if no connection at all can match: a clause has only matches without conditions. */
  readonly attempt: RuleAttempt | undefined;
}

/** Compares every condition of a rule with the connection, those behind a failed one too. */
export function explainRule(policy: PreparedPolicy, rule: PreparedRule, index: number, facts: Facts): ExplainedRule {
  const clauses: ClauseExplanation[] = [];
  const attempts: MatchAttempt[] = [];
  let matched = true;
  let possible = true;
  for (const clause of rule) {
    const matches: MatchExplanation[] = [];
    const attempt = explainClause(clause, facts, matches);
    const clauseMatched = clause.length === 0 || attempt?.failures.length === 0;
    clauses.push({ matched: clauseMatched, matches });
    matched &&= clauseMatched;
    if (attempt !== undefined) attempts.push(attempt);
    else if (!clauseMatched) possible = false;
  }
  return {
    explanation: { rule: index, sourceRule: policy.policy.source?.rules[index], matched, clauses },
    attempt: possible ? new RuleAttempt(policy, index, attempts) : undefined,
  };
}

/** The match that comes closest, which is one that matches if any does. What becomes of each is added to `into`. */
function explainClause(
  clause: readonly PreparedMatch[],
  facts: Facts,
  into: MatchExplanation[],
): MatchAttempt | undefined {
  let best: MatchAttempt | undefined;
  for (const match of clause) {
    const attempt = explainMatch(match, facts, into);
    if (attempt !== undefined && (best === undefined || attempt.compare(best) < 0)) best = attempt;
  }
  return best;
}

/** Adds what becomes of a match to `into`. Undefined if it has no conditions: then it never matches. */
function explainMatch(match: PreparedMatch, facts: Facts, into: MatchExplanation[]): MatchAttempt | undefined {
  const fields: FieldExplanation[] = [];
  const failures: Failure[] = [];
  for (const condition of match.conditions) {
    const satisfied = condition.holds(facts.subject);
    const noted = condition.note(facts, satisfied);
    const field: FieldExplanation = {
      field: condition.field,
      satisfied,
      wanted: condition.wanted,
      more: condition.more,
      actual: condition.actual(facts),
      note: noted?.text,
    };
    fields.push(field);
    if (!satisfied) failures.push({ condition, field, misspelt: noted?.misspelt ?? false });
  }
  into.push({ matched: fields.length > 0 && failures.length === 0, fields });
  return fields.length === 0 ? undefined : new MatchAttempt(match, failures, fields.length - failures.length);
}
