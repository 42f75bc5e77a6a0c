import type { Cancellable, Engine } from '@ambientmesh/hbone';
import { walkInSlices } from './sliced-walk.ts';

/** Something with many running connections that a change may end. */
export interface Recheckable {
  /** Goes through all of them, one a step; by what is in force at each step. */
  recheck(): Iterator<void>;
}

/** What has changed. */
export type RecheckReason = 'policies' | 'trust';

/**
 * Steps of policies for each one of trust while both wait. One of trust may verify a chain (0.1 to 0.2 ms), one of policies
 * takes some microseconds: so 10,000 connections are judged by policies within a second beside as many tunnels.
 */
const POLICY_STEPS = 256;

/**
 * Goes through running connections after changes, without holding up others for long. Whoever asks more than once before
 * its turn has come is gone through once; who asks while it is gone through, once more after it, so that a stream of
 * changes never keeps the last connections from being looked at. Policies come before trust.
 */
export class Rechecks {
  readonly #engine: Pick<Engine, 'after'>;
  readonly #policies = new RecheckQueue();
  readonly #trust = new RecheckQueue();
  #walk: Cancellable | undefined;

  constructor(engine: Pick<Engine, 'after'>) {
    this.#engine = engine;
  }

  /** Begins in a later turn: changes come in groups. */
  request(one: Recheckable, reason: RecheckReason = 'policies'): void {
    (reason === 'policies' ? this.#policies : this.#trust).add(one);
    this.#walk ??= this.#engine.after(0, () => this.#begin());
  }

  /** `one` is gone: nothing of it is looked at any more. */
  forget(one: Recheckable): void {
    this.#policies.delete(one);
    this.#trust.delete(one);
  }

  close(): void {
    this.#walk?.cancel();
    this.#policies.clear();
    this.#trust.clear();
  }

  #begin(): void {
    let done = false;
    const steps = this.#steps();
    const walk = walkInSlices(this.#engine, {
      next: () => {
        const step = steps.next();
        done = step.done === true;
        if (done) this.#walk = undefined;
        return step;
      },
    });
    if (!done) this.#walk = walk;
  }

  *#steps(): Generator<void> {
    let left = POLICY_STEPS;
    for (;;) {
      const first = left > 0 ? this.#policies : this.#trust;
      const second = left > 0 ? this.#trust : this.#policies;
      left = left > 0 ? left - 1 : POLICY_STEPS;
      if (!first.step() && !second.step()) return;
      yield;
    }
  }
}

/** Those that wait to be gone through, in the order of their first asking, and the one that is. */
class RecheckQueue {
  readonly #waiting = new Set<Recheckable>();
  #current: { readonly one: Recheckable; readonly steps: Iterator<void> } | undefined;

  add(one: Recheckable): void {
    this.#waiting.add(one);
  }

  delete(one: Recheckable): void {
    this.#waiting.delete(one);
    if (this.#current?.one === one) this.#current = undefined;
  }

  clear(): void {
    this.#waiting.clear();
    this.#current = undefined;
  }

  /** Looks at the next connection; false: there is none. */
  step(): boolean {
    for (;;) {
      this.#current ??= this.#next();
      if (this.#current === undefined) return false;
      const { steps } = this.#current;
      if (steps.next().done !== true) return true;
      // Unless it has forgotten itself.
      if (this.#current?.steps === steps) this.#current = undefined;
    }
  }

  #next(): { readonly one: Recheckable; readonly steps: Iterator<void> } | undefined {
    for (const one of this.#waiting) {
      this.#waiting.delete(one);
      return { one, steps: one.recheck() };
    }
    return undefined;
  }
}
