import { type Condition as Comparison, compileClause, compileMatch } from '../evaluation/compile-rule.ts';
import type { RuleFinder } from '../evaluation/rule-finder.ts';
import type { Clause, Match, Policy, Rule } from '../policy.ts';
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

/** A clause ready to be explained. */
export interface PreparedClause {
  readonly clause: Clause;
  /** The first of its matches. */
  readonly matches: readonly PreparedMatch[];
  /** Those behind them, of a very long clause: only one that decides is told. */
  readonly others: readonly Comparison[];
}

/** A rule ready to be explained. */
export interface PreparedRule {
  readonly rule: Rule;
  /** The first of its clauses. */
  readonly clauses: readonly PreparedClause[];
  /** Those behind them, of a very long rule: only one that decides is told. */
  readonly others: readonly Comparison[];
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

/** So many clauses of a rule, and matches of a clause, are told one by one: who writes policies by hand has fewer. */
const MOST_OF_LIST = 128;
/** So many matches of a policy are: it takes about 2 MB and 4 ms to prepare them. */
const MOST_MATCHES = 1024;
const ALL_ASPECTS: readonly Aspect[] = ['identity', 'sourceIp', 'destinationIp', 'destinationPort'];

/** How many more matches of a policy are told. */
interface Room {
  left: number;
}

/** Prepares a policy, whose data must not change. One of 10 rules takes about 20 KB and 40 µs. */
export function preparePolicy(policy: Policy, key: string, finder: RuleFinder): PreparedPolicy {
  const room = { left: MOST_MATCHES };
  const rules: PreparedRule[] = [];
  let size = 0;
  for (const rule of policy.rules) {
    for (const clause of rule) size += clause.length;
    if (room.left > 0) rules.push(prepareRule(rule, room));
  }
  return { policy, key, rules, finder, size };
}

/** One of the rules of a policy, if need be prepared now: those far behind are. */
export function pickRule({ policy, rules }: PreparedPolicy, index: number): PreparedRule {
  return rules[index] ?? prepareRule(policy.rules[index] ?? [], { left: MOST_OF_LIST });
}

/** One of the others of a rule. */
export function prepareOtherClause({ rule, clauses }: PreparedRule, index: number): PreparedClause {
  return prepareClause(rule[clauses.length + index] ?? [], { left: MOST_OF_LIST });
}

/** One of the others of a clause. */
export function prepareOtherMatch({ clause, matches }: PreparedClause, index: number): PreparedMatch {
  return prepareMatch(clause[matches.length + index] ?? {});
}

/** A rule takes some room even if it has no match. */
function prepareRule(rule: Rule, room: Room): PreparedRule {
  const clauses: PreparedClause[] = [];
  room.left--;
  for (const clause of rule) {
    if (clauses.length === MOST_OF_LIST || (clauses.length > 0 && room.left <= 0)) break;
    clauses.push(prepareClause(clause, room));
  }
  const others = rule.slice(clauses.length).map(compileClause);
  return { rule, clauses, others, aspects: listAspects(clauses, others), last: undefined };
}

/** What is not told one by one may look at anything. */
function listAspects(clauses: readonly PreparedClause[], others: readonly Comparison[]): readonly Aspect[] {
  if (others.length > 0 || clauses.some((clause) => clause.others.length > 0)) return ALL_ASPECTS;
  return [...new Set(clauses.flatMap(({ matches }) => matches.flatMap((match) => match.aspects)))];
}

/** At least one match is told, if there is any. */
function prepareClause(clause: Clause, room: Room): PreparedClause {
  const matches = clause.slice(0, Math.max(1, Math.min(MOST_OF_LIST, room.left))).map(prepareMatch);
  room.left -= matches.length;
  return { clause, matches, others: clause.slice(matches.length).map(compileMatch) };
}

function prepareMatch(match: Match): PreparedMatch {
  const conditions = listConditions(match);
  return { match, conditions, aspects: [...new Set(conditions.map(({ aspect }) => aspect))], last: undefined };
}
