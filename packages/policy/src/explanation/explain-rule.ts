import type { Clause, Match, Policy, Rule } from '../policy.ts';
import { type Failure, MatchAttempt, RuleAttempt } from './attempt.ts';
import { CONDITIONS, type Facts } from './condition.ts';
import type { ClauseExplanation, FieldExplanation, MatchExplanation, RuleExplanation } from './explanation.ts';
import { noteField } from './field-note.ts';

/** Of a longer list, so many values are told. */
export const MOST_VALUES = 16;

/** What becomes of one rule. */
export interface ExplainedRule {
  readonly explanation: RuleExplanation;
  /** Undefined if no connection at all can match: a clause has only matches without conditions. */
  readonly attempt: RuleAttempt | undefined;
}

/** Compares every condition of a rule with the connection, those behind a failed one too. */
export function explainRule(policy: Policy, rule: Rule, index: number, facts: Facts): ExplainedRule {
  const clauses: ClauseExplanation[] = [];
  const attempts: MatchAttempt[] = [];
  let [matched, possible] = [true, true];
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
    explanation: { rule: index, sourceRule: policy.source?.rules[index], matched, clauses },
    attempt: possible ? new RuleAttempt(policy, index, attempts) : undefined,
  };
}

/** The match that comes closest, which is one that matches if any does. What becomes of each is added to `into`. */
function explainClause(clause: Clause, facts: Facts, into: MatchExplanation[]): MatchAttempt | undefined {
  let best: MatchAttempt | undefined;
  for (const match of clause) {
    const attempt = explainMatch(match, facts, into);
    if (attempt !== undefined && (best === undefined || attempt.compare(best) < 0)) best = attempt;
  }
  return best;
}

/** Adds what becomes of a match to `into`. Undefined if it has no conditions: then it never matches. */
function explainMatch(match: Match, facts: Facts, into: MatchExplanation[]): MatchAttempt | undefined {
  const fields: FieldExplanation[] = [];
  const failures: Failure[] = [];
  for (const what of CONDITIONS) {
    const size = what.size(match);
    if (size === 0) continue;
    const satisfied = what.isMet(match, facts.subject) !== what.negative;
    const noted = noteField(what, match, facts, satisfied);
    const field: FieldExplanation = {
      field: what.field,
      satisfied,
      wanted: what.render(match, MOST_VALUES),
      more: Math.max(0, size - MOST_VALUES),
      actual: what.actual(facts),
      note: noted?.text,
    };
    fields.push(field);
    if (!satisfied) failures.push({ what, match, field, misspelt: noted?.misspelt ?? false });
  }
  into.push({ matched: fields.length > 0 && failures.length === 0, fields });
  return fields.length === 0 ? undefined : new MatchAttempt(match, failures, fields.length - failures.length);
}
