import type { Match, Policy } from '../policy.ts';
import { closeness } from './closeness.ts';
import type { Condition } from './condition.ts';
import type { FieldExplanation } from './explanation.ts';

/** Values of a list that are compared letter by letter. */
const MOST_VALUES_COMPARED = 64;

/** A condition of a match that does not hold. */
export interface Failure {
  readonly what: Condition;
  readonly match: Match;
  readonly field: FieldExplanation;
  /** Whether nothing but spelling keeps it from holding. */
  readonly misspelt: boolean;
}

/** One match, compared with the connection: how far it is from matching. */
export class Attempt {
  readonly failures: readonly Failure[];
  /** How many conditions hold. */
  readonly held: number;
  readonly #misspelt: number;
  // Only ties ask for it, and it is dear.
  #closeness: number | undefined;

  constructor(failures: readonly Failure[], held: number) {
    this.failures = failures;
    this.held = held;
    this.#misspelt = failures.filter(({ misspelt }) => misspelt).length;
  }

  /** Negative if this one comes closer to matching than `other`. */
  compare(other: Attempt): number {
    return (
      this.failures.length - other.failures.length ||
      other.#misspelt - this.#misspelt ||
      // What agrees elsewhere tells that the rule is about such connections.
      other.held - this.held ||
      other.#likeness() - this.#likeness()
    );
  }

  /** How alike what is wanted and what is there are. */
  #likeness(): number {
    this.#closeness ??= this.failures.reduce((sum, failure) => sum + closestValue(failure), 0);
    return this.#closeness;
  }
}

/** One match of a clause, compared with the connection. */
export class MatchAttempt extends Attempt {
  readonly match: Match;

  constructor(match: Match, failures: readonly Failure[], held: number) {
    super(failures, held);
    this.match = match;
  }
}

/** One rule compared with the connection. Without failures, it matches. */
export class RuleAttempt extends Attempt {
  readonly policy: Policy;
  readonly rule: number;
  /** Of each clause that has matches, the one that comes closest. */
  readonly matches: readonly Match[];

  constructor(policy: Policy, rule: number, matches: readonly MatchAttempt[]) {
    super(
      matches.flatMap(({ failures }) => failures),
      matches.reduce((sum, { held }) => sum + held, 0),
    );
    this.policy = policy;
    this.rule = rule;
    this.matches = matches.map(({ match }) => match);
  }

  /** What has to match: the closest match of each clause, then the same with another one of one clause. */
  *ways(): Generator<readonly Match[]> {
    yield this.matches;
    for (const clause of this.policy.rules[this.rule] ?? []) {
      const at = this.matches.findIndex((match) => clause.includes(match));
      for (const match of clause) if (match !== this.matches[at]) yield this.matches.with(at, match);
    }
  }
}

function closestValue({ what, match, field }: Failure): number {
  if (what.negative || what.aspect !== 'identity') return 0;
  const texts = field.more === 0 ? field.wanted : what.render(match, MOST_VALUES_COMPARED);
  let most = 0;
  for (const text of texts) most = Math.max(most, closeness(text, field.actual));
  return most;
}
