import type { Cancellable, Engine } from '../engine.ts';

/** hbone.md §2: quiet time between an answer and the next PING, regardless of traffic. */
export const PING_INTERVAL_MS = 10_000;
/** hbone.md §2: how long the answer may take. */
export const PING_TIMEOUT_MS = 20_000;

export interface LivenessOptions {
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
}

/** Asks the peer for a sign of life again and again, until it fails to answer. */
export class Liveness {
  readonly #engine: Engine;
  readonly #options: LivenessOptions;
  readonly #ping: () => void;
  readonly #dead: () => void;
  #timer: Cancellable;
  #stopped = false;

  constructor(engine: Engine, options: LivenessOptions, ping: () => void, dead: () => void) {
    this.#engine = engine;
    this.#options = options;
    this.#ping = ping;
    this.#dead = dead;
    this.#timer = this.#rest();
  }

  /** The PING was answered. */
  answered(): void {
    if (this.#stopped) return;
    this.#timer.cancel();
    this.#timer = this.#rest();
  }

  /** For good: no timer is left, and none is made by an answer that comes late. */
  stop(): void {
    this.#stopped = true;
    this.#timer.cancel();
  }

  #rest(): Cancellable {
    return this.#engine.after(this.#options.pingIntervalMs, () => {
      this.#timer = this.#engine.after(this.#options.pingTimeoutMs, this.#dead);
      this.#ping();
    });
  }
}
