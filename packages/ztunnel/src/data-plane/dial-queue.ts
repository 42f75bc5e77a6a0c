import type { Cancellable, Engine } from '@ambientmesh/hbone';

/** A dial takes some 50 us of a turn, and connections that run wait for its end. */
export const MOST_DIALS_A_TURN = 64;

/**
 * Dials that requests have asked for. They begin at the end of the turn, so many at a time: one read of a tunnel can bring
 * thousands of requests, and with them the resets that call them off.
 */
export class DialQueue {
  readonly #engine: Pick<Engine, 'after' | 'atEndOfTurn'>;
  readonly #waiting = new Set<() => void>();
  #scheduled = false;

  constructor(engine: Pick<Engine, 'after' | 'atEndOfTurn'>) {
    this.#engine = engine;
  }

  /** Calls `begin` later, once. */
  add(begin: () => void): Cancellable {
    this.#waiting.add(begin);
    if (!this.#scheduled) {
      this.#scheduled = true;
      this.#engine.atEndOfTurn(() => this.#begin());
    }
    return { cancel: () => this.#waiting.delete(begin) };
  }

  #begin(): void {
    this.#scheduled = false;
    let left = MOST_DIALS_A_TURN;
    for (const begin of this.#waiting) {
      if (left-- === 0) break;
      this.#waiting.delete(begin);
      begin();
    }
    if (this.#waiting.size === 0 || this.#scheduled) return;
    this.#scheduled = true;
    this.#engine.after(0, () => this.#begin());
  }
}
