import type { Cancellable, Engine } from '@ambientmesh/hbone';
import { walkInSlices } from './sliced-walk.ts';

/** Something with many running connections that a change may end. */
export interface Recheckable {
  /** Goes through all of them, one a step; by what is in force at each step. */
  recheck(): Iterator<void>;
}

/**
 * Goes through running connections after changes, without holding up others for long. Whoever asks more than once before
 * its turn has come is gone through once; who asks while it is gone through, once more after it, so that a stream of
 * changes never keeps the last connections from being looked at.
 */
export class Rechecks {
  readonly #engine: Pick<Engine, 'after'>;
  readonly #waiting = new Set<Recheckable>();
  #walk: Cancellable | undefined;

  constructor(engine: Pick<Engine, 'after'>) {
    this.#engine = engine;
  }

  /** Begins in a later turn: changes come in groups. */
  request(one: Recheckable): void {
    this.#waiting.add(one);
    this.#walk ??= this.#engine.after(0, () => this.#begin());
  }

  /** `one` is gone: nothing of it is looked at any more. */
  forget(one: Recheckable): void {
    this.#waiting.delete(one);
  }

  close(): void {
    this.#walk?.cancel();
    this.#waiting.clear();
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
    for (const one of this.#waiting) {
      this.#waiting.delete(one);
      const steps = one.recheck();
      while (steps.next().done !== true) yield;
    }
  }
}
