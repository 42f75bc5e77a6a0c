import { joinPossibilities, type Possibility } from './possibility.ts';
import type { EarlyEnd } from './walk-log.ts';
import { stateKey } from './walk-state.ts';

/** What a visit of a chain led to. */
export interface VisitOutcome {
  /** Back to the caller. */
  readonly back: readonly Possibility[];
  readonly accepted: readonly Possibility[];
  readonly ends: readonly EarlyEnd[];
}

/** Visits of one chain by packets in the same states. */
export interface Visits {
  /** Of those that were walked. */
  count: number;
  /** Of the last walk, which was made without anything settled and so is true of every visit. */
  outcome?: VisitOutcome;
}

/** So many visits of a chain with the same states are walked and told one by one. */
export const MOST_EQUAL_VISITS = 4;

/**
 * Remembers the visits of chains while a built-in chain is walked. Two calls of a chain that has two calls of the next,
 * and so on, are as many visits as a power of two: from the fifth on they are not walked, but known.
 */
export class ChainVisits {
  readonly #visits = new Map<string, Visits>();
  readonly #states = new Map<string, number>();

  /** Those of `chain` in the states of `possibilities`, whatever is settled. */
  of(chain: string, possibilities: readonly Possibility[]): Visits {
    const states = possibilities.map(({ state }) => this.#number(stateKey(state))).toSorted((a, b) => a - b);
    // No chain's name has a blank.
    const key = `${chain} ${[...new Set(states)].join()}`;
    const known = this.#visits.get(key);
    if (known !== undefined) return known;
    const visits: Visits = { count: 0 };
    this.#visits.set(key, visits);
    return visits;
  }

  #number(key: string): number {
    const number = this.#states.get(key) ?? this.#states.size;
    this.#states.set(key, number);
    return number;
  }
}

/** Possibilities for a walk that is to be true of later visits too: nothing settled. */
export function forgetSettled(possibilities: readonly Possibility[]): readonly Possibility[] {
  return joinPossibilities(
    possibilities.map((possibility) => ({ ...possibility, state: { ...possibility.state, settled: new Map() } })),
  );
}

/** Each result once. */
export function summarizeVisit({ back, accepted, ends }: VisitOutcome): VisitOutcome {
  const distinct = new Map(ends.map((end) => [`${end.text} ${stateKey(end.possibility.state)}`, end]));
  return { back: joinPossibilities(back), accepted: joinPossibilities(accepted), ends: [...distinct.values()] };
}
