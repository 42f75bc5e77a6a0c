import type { Clock } from '../certificates/certificate-source.ts';

interface Timer {
  readonly delayMs: number;
  readonly action: () => void;
}

/** A clock whose timers run when a test says so. */
export class ManualClock implements Clock {
  readonly timers = new Set<Timer>();
  /** Timers that were ever set. */
  scheduled = 0;
  #nowMs = 0;
  readonly #waiting = new Set<() => void>();

  now(): number {
    return this.#nowMs;
  }

  schedule(delayMs: number, action: () => void): () => void {
    const timer = { delayMs, action };
    this.timers.add(timer);
    this.scheduled++;
    for (const resume of this.#waiting) resume();
    this.#waiting.clear();
    return () => this.timers.delete(timer);
  }

  /** Time passes and no timer runs. */
  pass(ms: number): void {
    this.#nowMs += ms;
  }

  /** Waits until something has set the only timer, of `delayMs`, and lets its time pass. */
  async elapse(delayMs: number): Promise<void> {
    while (this.timers.size !== 1 || [...this.timers][0]?.delayMs !== delayMs)
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    this.#nowMs += delayMs;
    // Those that they set meanwhile run another time.
    const due = [...this.timers];
    for (const timer of due) {
      this.timers.delete(timer);
      timer.action();
    }
  }
}
