import type { Step } from './explanation.ts';
import type { Possibility } from './possibility.ts';

/** An end that a rule or policy makes of its own. */
export interface EarlyEnd {
  readonly end: 'dropped' | 'rejected' | 'unknown';
  readonly text: string;
  readonly by: string;
  readonly possibility: Possibility;
}

/**
 * Times that a rule is held against a state before the walk is given up: a few seconds. One way through a save of a
 * million rules is less; more is chains that call each other over and over.
 */
export const MOST_LOOKS = 2_000_000;
/** Steps that are told; the walk goes on without telling, for its end may still be certain. */
export const MOST_STEPS = 100_000;

/** Collects what happens on the way, and knows when that is enough. */
export class WalkLog {
  readonly ends: EarlyEnd[] = [];
  /** Possibilities were given up for there were too many. */
  cut = false;
  readonly #steps: Step[] = [];
  #untold = 0;
  #looks = 0;

  /** In order; at most {@link MOST_STEPS}. */
  get steps(): readonly Step[] {
    return this.#steps;
  }

  /** Steps that are not among `steps`. */
  get untold(): number {
    return this.#untold;
  }

  /** The walk is to be given up. */
  get exhausted(): boolean {
    return this.#looks > MOST_LOOKS;
  }

  /** Counts work: one for each state that a rule is held against. */
  look(count: number): void {
    this.#looks += count;
  }

  tell(step: Step): void {
    if (this.#steps.length < MOST_STEPS) this.#steps.push(step);
    else this.#untold += 1;
  }
}
