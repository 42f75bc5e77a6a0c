import type { Condition as Comparison } from '../evaluation/compile-rule.ts';
import type { Subject } from '../matching/subject.ts';
import { compareMatches, type MatchAttempt, type RuleAttempt } from './attempt.ts';
import type { Condition } from './condition.ts';
import type { ClauseExplanation, FieldExplanation, RuleExplanation } from './explanation.ts';
import { areAlike, type Facts } from './facts.ts';
import {
  type PreparedClause,
  type PreparedMatch,
  type PreparedPolicy,
  type PreparedRule,
  prepareOtherClause,
  prepareOtherMatch,
} from './prepared-policy.ts';

/** What becomes of one rule. */
export interface ExplainedRule {
  readonly explanation: RuleExplanation;
  /** Undefined if no connection at all can match: a clause has only matches without conditions. */
  readonly attempt: RuleAttempt | undefined;
}

/**
 * Compares every condition of a rule with the connection, those behind a failed one too. A denial may take hundreds of
 * these: so there are loops and few objects, and what is said of a connection that the rule cannot tell from the last
 * one is the same object.
 */
export function explainRule(policy: PreparedPolicy, rule: PreparedRule, index: number, facts: Facts): ExplainedRule {
  const { last } = rule;
  if (last !== undefined && areAlike(last.facts, facts, rule.aspects)) return last.said;
  const said = compareRule(policy, rule, index, facts);
  rule.last = { facts, said };
  return said;
}

function compareRule(policy: PreparedPolicy, rule: PreparedRule, index: number, facts: Facts): ExplainedRule {
  const explained = rule.clauses.map((clause) => explainClause(clause, facts));
  const { first, count } = countFailing(rule.others, facts.subject);
  if (first !== undefined) explained.push(explainClause(prepareOtherClause(rule, first), facts));
  const matches: MatchAttempt[] = [];
  let matched = true;
  let possible = true;
  // Those that are not told count, too.
  let failed = Math.max(0, count - 1);
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
  const more = rule.rule.length - clauses.length;
  return {
    explanation: { rule: index, sourceRule: policy.policy.source?.rules[index], matched, clauses, more },
    attempt: possible ? { failed, misspelt, held, likeness: -1, policy, rule: index, matches } : undefined,
  };
}

function countFailing(clauses: readonly Comparison[], subject: Subject): { first: number | undefined; count: number } {
  let first: number | undefined;
  let count = 0;
  for (let index = 0; index < clauses.length; index++)
    if (clauses[index]?.(subject) === false) {
      first ??= index;
      count++;
    }
  return { first, count };
}

interface ExplainedClause {
  readonly explanation: ClauseExplanation;
  /** Undefined if it has no match that can match. */
  readonly best: MatchAttempt | undefined;
}

/** What becomes of a clause, and of its match that comes closest, which is one that matches if any does. */
function explainClause(prepared: PreparedClause, facts: Facts): ExplainedClause {
  const { clause, matches, others } = prepared;
  const [only] = matches;
  if (only !== undefined && clause.length === 1) {
    const attempt = explainMatch(only, facts);
    const { explanation } = attempt;
    // A match without conditions never matches.
    const best = only.conditions.length > 0 ? attempt : undefined;
    return { explanation: { matched: explanation.matched, matches: [explanation], more: 0 }, best };
  }
  const attempts = matches.map((match) => explainMatch(match, facts));
  let best: MatchAttempt | undefined;
  for (const attempt of attempts) {
    if (attempt.match.conditions.length === 0) continue;
    if (best === undefined || compareMatches(attempt, best) < 0) best = attempt;
  }
  const deciding = best?.failed === 0 ? -1 : others.findIndex((matchesSubject) => matchesSubject(facts.subject));
  if (deciding >= 0) {
    best = explainMatch(prepareOtherMatch(prepared, deciding), facts);
    attempts.push(best);
  }
  const matched = clause.length === 0 || best?.failed === 0;
  const told = attempts.map(({ explanation }) => explanation);
  return { explanation: { matched, matches: told, more: clause.length - told.length }, best };
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
