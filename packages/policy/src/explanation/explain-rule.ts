import { compareMatches, type MatchAttempt, type RuleAttempt } from './attempt.ts';
import type { Condition } from './condition.ts';
import type { ClauseExplanation, FieldExplanation, RuleExplanation } from './explanation.ts';
import { areAlike, type Facts } from './facts.ts';
import type { PreparedMatch, PreparedPolicy, PreparedRule } from './prepared-policy.ts';

/** What becomes of one rule. */
export interface ExplainedRule {
  readonly explanation: RuleExplanation;
  /**
   * Undefined if no connection at all can match, as a clause has only matches without conditions, and of a rule that is
   * too long to be told.
   */
  readonly attempt: RuleAttempt | undefined;
}

/**
 * Compares every condition of a rule with the connection, those behind a failed one too. A denial may take hundreds of
 * these: so there are loops and few objects, and what is said of a connection that the rule cannot tell from the last
 * one is the same object.
 */
export function explainRule(policy: PreparedPolicy, rule: PreparedRule, index: number, facts: Facts): ExplainedRule {
  if (rule.more > 0) return { explanation: judgeRule(policy, rule, index, facts), attempt: undefined };
  const { last } = rule;
  if (last !== undefined && areAlike(last.facts, facts, rule.aspects)) return last.said;
  const said = compareRule(policy, rule, index, facts);
  rule.last = { facts, said };
  return said;
}

/** Only whether it matches. */
function judgeRule({ policy, finder }: PreparedPolicy, { more }: PreparedRule, index: number, facts: Facts) {
  const matched = finder.matches(index, facts.subject);
  return { rule: index, sourceRule: policy.source?.rules[index], matched, clauses: [], more };
}

function compareRule(policy: PreparedPolicy, rule: PreparedRule, index: number, facts: Facts): ExplainedRule {
  const explained = rule.clauses.map((clause) => explainClause(clause, facts));
  const matches: MatchAttempt[] = [];
  let matched = true;
  let possible = true;
  let failed = 0;
  let misspelt = 0;
  let held = 0;
  for (const { explanation, best } of explained) {
    matched &&= explanation.matched;
    if (best === undefined) {
      possible &&= explanation.matched;
      continue;
    }
    matches.push(best);
    failed += best.failed;
    misspelt += best.misspelt;
    held += best.held;
  }
  const clauses = explained.map(({ explanation }) => explanation);
  return {
    explanation: { rule: index, sourceRule: policy.policy.source?.rules[index], matched, clauses, more: 0 },
    attempt: possible ? { failed, misspelt, held, likeness: -1, policy, rule: index, matches } : undefined,
  };
}

interface ExplainedClause {
  readonly explanation: ClauseExplanation;
  /** Undefined if it has no match that can match. */
  readonly best: MatchAttempt | undefined;
}

/** What becomes of a clause, and of its match that comes closest, which is one that matches if any does. */
function explainClause(matches: readonly PreparedMatch[], facts: Facts): ExplainedClause {
  const [only] = matches;
  if (only !== undefined && matches.length === 1) {
    const attempt = explainMatch(only, facts);
    const { explanation } = attempt;
    // A match without conditions never matches.
    const best = only.conditions.length > 0 ? attempt : undefined;
    return { explanation: { matched: explanation.matched, matches: [explanation] }, best };
  }
  const attempts = matches.map((match) => explainMatch(match, facts));
  let best: MatchAttempt | undefined;
  for (const attempt of attempts) {
    if (attempt.match.conditions.length === 0) continue;
    if (best === undefined || compareMatches(attempt, best) < 0) best = attempt;
  }
  const matched = matches.length === 0 || best?.failed === 0;
  const told = attempts.map(({ explanation }) => explanation);
  return { explanation: { matched, matches: told }, best };
}

function explainMatch(match: PreparedMatch, facts: Facts): MatchAttempt {
  const { last } = match;
  if (last !== undefined && areAlike(last.facts, facts, match.aspects)) return last.said;
  const said = compareMatch(match, facts);
  match.last = { facts, said };
  return said;
}

function compareMatch(match: PreparedMatch, facts: Facts): MatchAttempt {
  const { conditions } = match;
  const count = { failed: 0, misspelt: 0 };
  const [only] = conditions;
  const fields =
    only !== undefined && conditions.length === 1
      ? [explainField(only, facts, count)]
      : conditions.map((condition) => explainField(condition, facts, count));
  const { failed, misspelt } = count;
  const explanation = { matched: conditions.length > 0 && failed === 0, fields };
  return { failed, misspelt, held: conditions.length - failed, likeness: -1, match, explanation };
}

function explainField(
  condition: Condition,
  facts: Facts,
  count: { failed: number; misspelt: number },
): FieldExplanation {
  const satisfied = condition.holds(facts.subject);
  const note = condition.note(facts, satisfied);
  if (!satisfied) {
    count.failed++;
    if (note?.misspelt) count.misspelt++;
  }
  const { field, wanted, more } = condition;
  return { field, satisfied, wanted, more, actual: condition.actual(facts), note: note?.text };
}
