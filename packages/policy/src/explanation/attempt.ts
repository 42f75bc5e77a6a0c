import { closeness } from './closeness.ts';
import type { Condition } from './condition.ts';
import type { FieldExplanation } from './explanation.ts';
import type { PreparedMatch, PreparedPolicy } from './prepared-policy.ts';

/** Values of a list that are compared letter by letter. */
const MOST_VALUES_COMPARED = 64;

/** A condition that does not hold. */
export interface Failure {
  readonly condition: Condition;
  readonly field: FieldExplanation;
  /** Whether nothing but spelling keeps it from holding. */
  readonly misspelt: boolean;
}

/** Something compared with the connection: how far it is from matching. */
export class Attempt {
  /** None: it matches. */
  readonly failures: readonly Failure[];
  /** How many conditions hold. */
  readonly held: number;
  // Only ties ask for it, and it is dear.
  #closeness = -1;

  constructor(failures: readonly Failure[], held: number) {
    this.failures = failures;
    this.held = held;
  }

  /** Negative if this one comes closer to matching than `other`. */
  compare(other: Attempt): number {
    return (
      this.failures.length - other.failures.length ||
      other.#countMisspelt() - this.#countMisspelt() ||
      // What agrees elsewhere tells that the rule is about such connections.
      other.held - this.held ||
      other.#likeness() - this.#likeness()
    );
  }

  #countMisspelt(): number {
    let count = 0;
    for (const { misspelt } of this.failures) if (misspelt) count++;
    return count;
  }

  /** How alike what is wanted and what is there are. */
  #likeness(): number {
    if (this.#closeness < 0) {
      this.#closeness = 0;
      for (const failure of this.failures) this.#closeness += closestValue(failure);
    }
    return this.#closeness;
  }
}

/** One match of a clause, compared with the connection. */
export class MatchAttempt extends Attempt {
  readonly match: PreparedMatch;

  constructor(match: PreparedMatch, failures: readonly Failure[], held: number) {
    super(failures, held);
    this.match = match;
  }
}

/** One rule compared with the connection, of each clause that has matches the one that comes closest. */
export class RuleAttempt extends Attempt {
  readonly policy: PreparedPolicy;
  readonly rule: number;
  readonly #matches: readonly MatchAttempt[];

  constructor(policy: PreparedPolicy, rule: number, matches: readonly MatchAttempt[]) {
    const [only] = matches;
    const failures = only !== undefined && matches.length === 1 ? only.failures : joinFailures(matches);
    let held = 0;
    for (const match of matches) held += match.held;
    super(failures, held);
    this.policy = policy;
    this.rule = rule;
    this.#matches = matches;
  }

  /** What has to match: the closest match of each clause, then the same with another one of one clause. */
  *ways(): Generator<readonly PreparedMatch[]> {
    const closest = this.#matches.map(({ match }) => match);
    yield closest;
    for (const clause of this.policy.rules[this.rule] ?? []) {
      const at = closest.findIndex((match) => clause.includes(match));
      for (const match of clause)
        if (match !== closest[at] && match.conditions.length > 0) yield closest.with(at, match);
    }
  }
}

function joinFailures(matches: readonly MatchAttempt[]): readonly Failure[] {
  const all: Failure[] = [];
  for (const { failures } of matches) all.push(...failures);
  return all;
}

function closestValue({ condition, field }: Failure): number {
  if (condition.negative || condition.aspect !== 'identity') return 0;
  const texts = condition.more === 0 ? condition.wanted : condition.render(MOST_VALUES_COMPARED);
  let most = 0;
  for (const text of texts) most = Math.max(most, closeness(text, field.actual));
  return most;
}
