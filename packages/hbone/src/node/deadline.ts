import { HboneError } from '../errors.ts';

/** Longer ones are none: 24 days. */
const LONGEST_MS = 0x7fff_ffff;

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
    if (ms === undefined || ms > LONGEST_MS || this.#stopped) return;
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
  readonly deadlineMs?: number | undefined;
}

/** Milliseconds from 0 on, or none. Throws HBONE_OPTIONS_INVALID. */
export function requireDeadlineMs({ deadlineMs }: CloseOptions): number | undefined {
  if (deadlineMs === undefined || deadlineMs >= 0) return deadlineMs;
  throw new HboneError('HBONE_OPTIONS_INVALID', `deadlineMs: ${deadlineMs} is not milliseconds from 0 on`);
}
