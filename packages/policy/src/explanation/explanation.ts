import type { Decision } from '../evaluation/decision.ts';
import type { Connection, Match, Policy, TargetWorkload } from '../policy.ts';

/** Name of one list of a match. */
export type FieldName = keyof Match;

/** One condition of a match, beside the connection. */
export interface FieldExplanation {
  readonly field: FieldName;
  readonly satisfied: boolean;
  /** The condition's values as text: `cluster.local/ns/a/sa/sleep`, `prefix cluster.local/`, `10.0.0.0/8`, `8080`. */
  readonly wanted: readonly string[];
  /** How many more values it has: of a long list `wanted` is the beginning, in a nearest miss those most like `actual`. */
  readonly more: number;
  /** What the connection has: text in the same form, `none` without an identity. */
  readonly actual: string;
  /** A cause in words where the values alone do not tell it: no identity, `spiffe://` in a pattern, families that differ. */
  readonly note: string | undefined;
}

export interface MatchExplanation {
  readonly matched: boolean;
  /** The conditions that it has, in the order of spec policy.md §1. None: a match without conditions never matches. */
  readonly fields: readonly FieldExplanation[];
}

export interface ClauseExplanation {
  readonly matched: boolean;
  readonly matches: readonly MatchExplanation[];
}

export interface RuleExplanation {
  /** Index in the policy. */
  readonly rule: number;
  /** Index in the object that the policy was made of, if that is known. */
  readonly sourceRule: number | undefined;
  readonly matched: boolean;
  /** None of a rule that is too long to be told. */
  readonly clauses: readonly ClauseExplanation[];
  /** How many more it has: of a rule that is too long to be told all, else none. */
  readonly more: number;
}

/** A rule that failed on fewer conditions than any other. */
export interface NearestMiss {
  readonly policy: string;
  readonly rule: number;
  /** Conditions that would all have to hold as well: at least one. */
  readonly failed: readonly FieldExplanation[];
}

export interface PolicyExplanation {
  /** `namespace/name`. */
  readonly policy: string;
  readonly action: Policy['action'];
  /** Where it applies (`effectiveScope`). */
  readonly scope: Policy['scope'];
  readonly dryRun: boolean;
  readonly matched: boolean;
  /** Its first rules and the first that matches: of a very long list a part. */
  readonly rules: readonly RuleExplanation[];
  /** How many more it has. */
  readonly more: number;
  /** The rule of this policy that came closest, of those in `rules`; undefined if one matched or it has none. */
  readonly nearest: NearestMiss | undefined;
  /** Facts in words: rules left out for HTTP attributes, no rules at all, … */
  readonly notes: readonly string[];
}

/** A change of the connection, and of nothing else, with which it would have passed: it has been tried. */
export interface PassingChange {
  readonly policy: string;
  readonly rule: number;
  /** The connection as it would have to be. */
  readonly connection: Connection;
  /** `if the principal were cluster.local/ns/a/sa/sleep`, `if the destination port were 8080 and …`. */
  readonly text: string;
}

/** Why a connection passes or does not, policy by policy. */
export interface Explanation {
  readonly connection: Connection;
  readonly workload: TargetWorkload;
  readonly decision: Decision;
  /** Every policy that was considered: enforced DENY, enforced ALLOW, then dry-run ones; by key within each. */
  readonly policies: readonly PolicyExplanation[];
  /** Of a connection that no ALLOW policy admits: the rule that came closest. */
  readonly nearest: NearestMiss | undefined;
  /** Of a denied connection, at most a few, those with the fewest changes first. */
  readonly wouldPass: readonly PassingChange[];
}
