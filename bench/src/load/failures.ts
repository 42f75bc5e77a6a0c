/** Counts failures by reason. */
export class Failures {
  readonly #counts = new Map<string, number>();

  /** Adds one (or `times`) of an error's code, or of a reason in words. */
  add(reason: string | Error, times = 1): void {
    if (times === 0) return;
    const name = typeof reason === 'string' ? reason : codeOf(reason);
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + times);
  }

  /** What has been counted since the last call. */
  take(): Readonly<Record<string, number>> {
    const taken = Object.fromEntries(this.#counts);
    this.#counts.clear();
    return taken;
  }
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}
