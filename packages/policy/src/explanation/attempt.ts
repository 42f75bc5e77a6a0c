import { closeness } from './closeness.ts';
import type { Condition } from './condition.ts';
import type { FieldExplanation, MatchExplanation } from './explanation.ts';
import type { PreparedMatch, PreparedPolicy } from './prepared-policy.ts';

/** How far something is from matching the connection. */
export interface Attempt {
  /** How many conditions do not hold. 0: it matches. */
  readonly failed: number;
  /** How many of those fail by nothing but spelling. */
  readonly misspelt: number;
  /** How many conditions hold. */
  readonly held: number;
  /** How alike what is wanted and what is there are; below 0 until a tie asks for it, for it is dear. */
  likeness: number;
}

/** One match, and what became of its conditions. */
export interface MatchAttempt extends Attempt {
  readonly match: PreparedMatch;
  /** Its fields are in the order of the conditions. */
  readonly explanation: MatchExplanation;
}

/** One rule. */
export interface RuleAttempt extends Attempt {
  readonly policy: PreparedPolicy;
  readonly rule: number;
  /** Of each clause that has any, the one that comes closest. */
  readonly matches: readonly MatchAttempt[];
}

/** A condition that does not hold. */
export interface Failure {
  readonly condition: Condition;
  readonly field: FieldExplanation;
}

/** Values of a list that are compared letter by letter. */
const MOST_VALUES_COMPARED = 64;

/** Negative if `a` comes closer to matching than `b`. */
export function compareMatches(a: MatchAttempt, b: MatchAttempt): number {
  return compareCounts(a, b) || likenessOfMatch(b) - likenessOfMatch(a);
}

/** Negative if `a` comes closer to matching than `b`. */
export function compareRules(a: RuleAttempt, b: RuleAttempt): number {
  return compareCounts(a, b) || likenessOfRule(b) - likenessOfRule(a);
}

function compareCounts(a: Attempt, b: Attempt): number {
  return (
    a.failed - b.failed ||
    b.misspelt - a.misspelt ||
    // What agrees elsewhere tells that the rule is about such connections.
    b.held - a.held
  );
}

/** The conditions that would have to hold as well. */
export function listFailures({ matches }: RuleAttempt): readonly Failure[] {
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
  for (const clause of policy.rules[rule]?.clauses ?? []) {
    const at = closest.findIndex((match) => clause.includes(match));
    if (at < 0) continue;
    for (const match of clause) if (match !== closest[at] && match.conditions.length > 0) yield closest.with(at, match);
  }
}

function likenessOfRule(attempt: RuleAttempt): number {
  if (attempt.likeness < 0) {
    attempt.likeness = 0;
    for (const match of attempt.matches) attempt.likeness += likenessOfMatch(match);
  }
  return attempt.likeness;
}

function likenessOfMatch(attempt: MatchAttempt): number {
  if (attempt.likeness < 0) {
    attempt.likeness = 0;
    const { conditions } = attempt.match;
    const { fields } = attempt.explanation;
    for (let index = 0; index < conditions.length; index++) {
      const [condition, field] = [conditions[index], fields[index]];
      if (condition !== undefined && field?.satisfied === false)
        attempt.likeness += closestValue(condition, field.actual);
    }
  }
  return attempt.likeness;
}

function closestValue(condition: Condition, actual: string): number {
  if (condition.negative || condition.aspect !== 'identity') return 0;
  const texts = condition.more === 0 ? condition.wanted : condition.render(MOST_VALUES_COMPARED);
  let most = 0;
  for (const text of texts) most = Math.max(most, closeness(text, actual));
  return most;
}
