/** Sizes of writes come from below these: mostly small, sometimes large. */
const SIZES = [10, 100, 5000, 20_000, 300_000];

/** Another one each time; print it. */
export function freshSeed(): number {
  return Date.now() % 1_000_000_007;
}

/** Numbers that follow from a seed (mulberry32), so that a failure can be had again. For tests. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** A whole number from 0 up to, not including, `bound`. */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  }

  /** Of a write. */
  size(): number {
    return 1 + this.below(SIZES[this.below(SIZES.length)] ?? 1);
  }
}
