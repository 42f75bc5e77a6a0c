import { closeness } from './closeness.ts';
import type { Condition } from './condition.ts';
import type { FieldExplanation, MatchExplanation } from './explanation.ts';
import type { PreparedMatch, PreparedPolicy } from './prepared-policy.ts';

/** How far something is from matching the connection. One object is made of each match and rule: so it is small. */
export interface Attempt {
  /** How many conditions do not hold. 0: it matches. */
  readonly failed: number;
  /** How many of those fail by nothing but spelling. */
  readonly misspelt: number;
  /** How many conditions hold. */
  readonly held: number;
  /** One of each clause that has any. */
  readonly matches: readonly ComparedMatch[];
  /** How alike what is wanted and what is there are; undefined until a tie asks for it, for it is dear. */
  likeness: number | undefined;
}

/** One match and what became of its conditions, in the same order. */
export interface ComparedMatch {
  readonly match: PreparedMatch;
  readonly explanation: MatchExplanation;
}

/** One rule, of each clause the match that comes closest. */
export interface RuleAttempt extends Attempt {
  readonly policy: PreparedPolicy;
  readonly rule: number;
}

/** A condition that does not hold. */
export interface Failure {
  readonly condition: Condition;
  readonly field: FieldExplanation;
}

/** Values of a list that are compared letter by letter. */
const MOST_VALUES_COMPARED = 64;

/** Negative if `a` comes closer to matching than `b`. */
export function compareAttempts(a: Attempt, b: Attempt): number {
  return (
    a.failed - b.failed ||
    b.misspelt - a.misspelt ||
    // What agrees elsewhere tells that the rule is about such connections.
    b.held - a.held ||
    likenessOf(b) - likenessOf(a)
  );
}

/** The conditions that would have to hold as well. */
export function listFailures({ matches }: Attempt): readonly Failure[] {
  const failures: Failure[] = [];
  for (const { match, explanation } of matches)
    for (const [index, field] of explanation.fields.entries()) {
      const condition = match.conditions[index];
      if (condition !== undefined && !field.satisfied) failures.push({ condition, field });
    }
  return failures;
}

/** What has to match: the closest match of each clause, then the same with another one of one clause. */
export function* listWays({ policy, rule, matches }: RuleAttempt): Generator<readonly PreparedMatch[]> {
  const closest = matches.map(({ match }) => match);
  yield closest;
  for (const clause of policy.rules[rule] ?? []) {
    const at = closest.findIndex((match) => clause.includes(match));
    for (const match of clause) if (match !== closest[at] && match.conditions.length > 0) yield closest.with(at, match);
  }
}

function likenessOf(attempt: Attempt): number {
  if (attempt.likeness !== undefined) return attempt.likeness;
  let sum = 0;
  for (const { match, explanation } of attempt.matches)
    for (let index = 0; index < match.conditions.length; index++) {
      const [condition, field] = [match.conditions[index], explanation.fields[index]];
      if (condition !== undefined && field?.satisfied === false) sum += closestValue(condition, field.actual);
    }
  attempt.likeness = sum;
  return sum;
}

function closestValue(condition: Condition, actual: string): number {
  if (condition.negative || condition.aspect !== 'identity') return 0;
  const texts = condition.more === 0 ? condition.wanted : condition.render(MOST_VALUES_COMPARED);
  let most = 0;
  for (const text of texts) most = Math.max(most, closeness(text, actual));
  return most;
}
