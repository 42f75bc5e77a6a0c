const MS_A_SECOND = 1000;

/** How often something may happen: `burst` times at once, and `perSecond` times a second in the long run. */
export interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

/**
 * Token bucket. The clock is read only when the tokens are out, so that what stays within its rate costs a decrement; the
 * price is that up to twice the burst may pass at once after a rest.
 */
export class RateLimit {
  readonly #rate: Rate;
  readonly #now: () => number;
  #tokens: number;
  #filledAtMs: number;

  /** `now`: milliseconds of a monotonic clock. */
  constructor(rate: Rate, now: () => number) {
    this.#rate = rate;
    this.#now = now;
    this.#tokens = rate.burst;
    this.#filledAtMs = now();
  }

  /** Takes `cost`, a whole number; false when fewer are left. */
  take(cost = 1): boolean {
    if (this.#tokens < cost) this.#fill();
    if (this.#tokens < cost) return false;
    this.#tokens -= cost;
    return true;
  }

  #fill(): void {
    const nowMs = this.#now();
    const earned = ((nowMs - this.#filledAtMs) / MS_A_SECOND) * this.#rate.perSecond;
    this.#tokens = Math.min(this.#rate.burst, this.#tokens + earned);
    this.#filledAtMs = nowMs;
  }
}
