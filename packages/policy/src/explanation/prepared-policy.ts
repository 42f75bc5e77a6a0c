import type { RuleFinder } from '../evaluation/rule-finder.ts';
import type { Match, Policy, Rule } from '../policy.ts';
import type { MatchAttempt } from './attempt.ts';
import { type Aspect, type Condition, listConditions } from './condition.ts';
import type { ExplainedRule } from './explain-rule.ts';
import type { Facts } from './facts.ts';

/** A match ready to be explained. */
export interface PreparedMatch {
  readonly match: Match;
  /** None: it never matches. */
  readonly conditions: readonly Condition[];
  readonly aspects: readonly Aspect[];
  last: Last<MatchAttempt> | undefined;
}

/** A rule ready to be explained. */
export interface PreparedRule {
  /** The matches of each clause; none of a rule that is too long to be told. */
  readonly clauses: readonly (readonly PreparedMatch[])[];
  /** How many clauses are not told: none, or all. */
  readonly more: number;
  /** Those that its conditions look at. */
  readonly aspects: readonly Aspect[];
  last: Last<ExplainedRule> | undefined;
}

/** What was said the last time: denied connections are much alike, and one and the same is often tried again. */
interface Last<T> {
  readonly facts: Facts;
  readonly said: T;
}

/** A policy ready to be explained. */
export interface PreparedPolicy {
  readonly policy: Policy;
  readonly key: string;
  /** The first of its rules: of those behind them, of a very long policy, only one that decides is told. */
  readonly rules: readonly PreparedRule[];
  /** Knows all of its rules. */
  readonly finder: RuleFinder;
  /** How many matches it has. */
  readonly size: number;
}

/**
 * A rule of more clauses and matches is not told, and those of a policy only until they have so many: it takes about 2 MB
 * and 4 ms to prepare them. Who writes policies by hand has fewer.
 */
const MOST_TOLD = 1024;

/** Prepares a policy, whose data must not change. One of 10 rules takes about 20 KB and 40 µs. */
export function preparePolicy(policy: Policy, key: string, finder: RuleFinder): PreparedPolicy {
  const rules: PreparedRule[] = [];
  let size = 0;
  let told = 0;
  for (const rule of policy.rules) {
    const matches = countMatches(rule);
    size += matches;
    if (told >= MOST_TOLD) continue;
    const prepared = prepareRule(rule);
    rules.push(prepared);
    // A rule takes some room even if nothing of it is told.
    told += prepared.more > 0 ? 1 : 1 + rule.length + matches;
  }
  return { policy, key, rules, finder, size };
}

/** One of the rules of a policy, if need be prepared now: those far behind are. */
export function pickRule({ policy, rules }: PreparedPolicy, index: number): PreparedRule {
  return rules[index] ?? prepareRule(policy.rules[index] ?? []);
}

function prepareRule(rule: Rule): PreparedRule {
  if (rule.length + countMatches(rule) > MOST_TOLD)
    return { clauses: [], more: rule.length, aspects: [], last: undefined };
  const clauses = rule.map((clause) => clause.map(prepareMatch));
  const aspects = new Set(clauses.flat().flatMap((match) => match.aspects));
  return { clauses, more: 0, aspects: [...aspects], last: undefined };
}

function countMatches(rule: Rule): number {
  let count = 0;
  for (const clause of rule) count += clause.length;
  return count;
}

function prepareMatch(match: Match): PreparedMatch {
  const conditions = listConditions(match);
  return { match, conditions, aspects: [...new Set(conditions.map(({ aspect }) => aspect))], last: undefined };
}
