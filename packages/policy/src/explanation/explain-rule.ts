import { type Attempt, type ComparedMatch, compareAttempts, type RuleAttempt } from './attempt.ts';
import type { Condition } from './condition.ts';
import type { ClauseExplanation, FieldExplanation, MatchExplanation, RuleExplanation } from './explanation.ts';
import type { Facts } from './facts.ts';
import type { PreparedMatch, PreparedPolicy, PreparedRule } from './prepared-policy.ts';

/** What becomes of one rule. */
export interface ExplainedRule {
  readonly explanation: RuleExplanation;
  /** Undefined if no connection at all can match: a clause has only matches without conditions. */
  readonly attempt: RuleAttempt | undefined;
}

/** What becomes of a part of a rule, and how far it is from matching. */
interface Explained<E> {
  readonly explanation: E;
  readonly attempt: Attempt | undefined;
}

/** Compares every condition of a rule with the connection, those behind a failed one too. */
export function explainRule(policy: PreparedPolicy, rule: PreparedRule, index: number, facts: Facts): ExplainedRule {
  // Most arrays here are made by map: one that grows takes many times its size, and there are hundreds of them.
  const clauses = rule.map((clause) => explainClause(clause, facts));
  return {
    explanation: {
      rule: index,
      sourceRule: policy.policy.source?.rules[index],
      matched: clauses.every(({ explanation }) => explanation.matched),
      clauses: clauses.map(({ explanation }) => explanation),
    },
    attempt: attemptRule(policy, index, clauses),
  };
}

function attemptRule(
  policy: PreparedPolicy,
  rule: number,
  clauses: readonly Explained<ClauseExplanation>[],
): RuleAttempt | undefined {
  let [failed, misspelt, held] = [0, 0, 0];
  const matches: ComparedMatch[] = [];
  for (const { attempt, explanation } of clauses) {
    if (attempt === undefined && !explanation.matched) return undefined;
    failed += attempt?.failed ?? 0;
    misspelt += attempt?.misspelt ?? 0;
    held += attempt?.held ?? 0;
    if (attempt !== undefined) matches.push(...attempt.matches);
  }
  return { failed, misspelt, held, matches, likeness: undefined, policy, rule };
}

/** The attempt is that of the closest match, which is one that matches if any does. */
function explainClause(clause: readonly PreparedMatch[], facts: Facts): Explained<ClauseExplanation> {
  const matches = clause.map((match) => explainMatch(match, facts));
  let best: Attempt | undefined;
  for (const { attempt } of matches)
    if (attempt !== undefined && (best === undefined || compareAttempts(attempt, best) < 0)) best = attempt;
  return {
    explanation: {
      matched: clause.length === 0 || best?.failed === 0,
      matches: matches.map(({ explanation }) => explanation),
    },
    attempt: best,
  };
}

/** A match without conditions never matches. */
function explainMatch(match: PreparedMatch, facts: Facts): Explained<MatchExplanation> {
  let [failed, misspelt] = [0, 0];
  const fields = match.conditions.map((condition) => {
    const satisfied = condition.holds(facts.subject);
    const note = condition.note(facts, satisfied);
    if (!satisfied) {
      failed++;
      if (note?.misspelt) misspelt++;
    }
    return explainField(condition, satisfied, note?.text, facts);
  });
  const explanation = { matched: fields.length > 0 && failed === 0, fields };
  if (fields.length === 0) return { explanation, attempt: undefined };
  const attempt = {
    failed,
    misspelt,
    held: fields.length - failed,
    matches: [{ match, explanation }],
    likeness: undefined,
  };
  return { explanation, attempt };
}

function explainField(
  condition: Condition,
  satisfied: boolean,
  note: string | undefined,
  facts: Facts,
): FieldExplanation {
  const { field, wanted, more } = condition;
  return { field, satisfied, wanted, more, actual: condition.actual(facts), note };
}
