/** Calls once when the earliest of the deadlines it was given has passed. */
export class Deadline {
  readonly #passed: () => void;
  #timer: NodeJS.Timeout | undefined;
  #atMs = Number.POSITIVE_INFINITY;
  #stopped = false;

  constructor(passed: () => void) {
    this.#passed = passed;
  }

  /** `ms` from now, unless an earlier one is set; undefined sets none. */
  start(ms: number | undefined): void {
    if (ms === undefined || this.#stopped) return;
    const atMs = performance.now() + ms;
    if (atMs >= this.#atMs) return;
    this.#atMs = atMs;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#passed, ms);
  }

  /** For good. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }
}

export interface CloseOptions {
  /** Milliseconds after which what is still open is cut; without it draining takes as long as the last tunnel. */
  readonly deadlineMs?: number;
}
