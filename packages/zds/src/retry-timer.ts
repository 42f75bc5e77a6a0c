/** One timer that is either armed or not. Expiry is remembered until it is taken, and announced to whoever waits just then. */
export class RetryTimer {
  /** Called at expiry. */
  onExpiry: (() => void) | undefined;
  readonly #intervalMs: number;
  readonly #clock: { sleep(milliseconds: number, signal: AbortSignal): Promise<void> };
  #armed: AbortController | undefined;
  #expired = false;

  constructor(intervalMs: number, clock: { sleep(milliseconds: number, signal: AbortSignal): Promise<void> }) {
    this.#intervalMs = intervalMs;
    this.#clock = clock;
  }

  /** Starts the time, unless it runs already or its expiry has not been taken; returns whether it did. */
  arm(): boolean {
    if (this.#armed !== undefined || this.#expired) return false;
    const armed = new AbortController();
    this.#armed = armed;
    const expire = (): void => {
      if (this.#armed !== armed) return;
      this.#armed = undefined;
      this.#expired = true;
      this.onExpiry?.();
    };
    // A rejection is the cancelling.
    this.#clock.sleep(this.#intervalMs, armed.signal).then(expire, () => undefined);
    return true;
  }

  /** Whether it has expired since the last call. */
  takeExpired(): boolean {
    const expired = this.#expired;
    this.#expired = false;
    return expired;
  }

  cancel(): void {
    this.#armed?.abort();
    this.#armed = undefined;
    this.#expired = false;
  }
}
