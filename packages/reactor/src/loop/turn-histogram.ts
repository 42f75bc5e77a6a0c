/** Buckets of powers of two, in microseconds: up to 1 us, 2 us, 4 us … 2^20 us (1 s), and longer. */
const BUCKETS = 22;

/** How long turns took. */
export interface TurnTimes {
  readonly turns: number;
  readonly longestMs: number;
  readonly totalMs: number;
  /** Turns of at most 2^index microseconds and more than half of that; the last: all longer ones. */
  readonly buckets: readonly number[];
}

/** Counts turns by their length, waiting excluded. */
export class TurnHistogram {
  readonly #buckets = new Float64Array(BUCKETS);
  #turns = 0;
  #longestMs = 0;
  #totalMs = 0;

  add(ms: number): void {
    this.#turns++;
    this.#totalMs += ms;
    if (ms > this.#longestMs) this.#longestMs = ms;
    // More than the last limit is as good as that: clz32 sees 32 bits.
    const us = Math.min(Math.ceil(ms * 1000), 2 ** (BUCKETS - 1));
    this.#buckets[us <= 1 ? 0 : 32 - Math.clz32(us - 1)]!++;
  }

  /** What was counted since the last call. */
  drain(): TurnTimes {
    const times = {
      turns: this.#turns,
      longestMs: this.#longestMs,
      totalMs: this.#totalMs,
      buckets: [...this.#buckets],
    };
    this.#buckets.fill(0);
    this.#turns = this.#longestMs = this.#totalMs = 0;
    return times;
  }
}
