import type { Problem } from '../problem.ts';

/** Problems as they are found. */
export class ProblemList {
  readonly #found: Problem[] = [];

  /** In the order they were told. */
  get found(): readonly Problem[] {
    return this.#found;
  }

  fail(path: string, message: string): void {
    this.#found.push({ severity: 'error', path, message });
  }

  warn(path: string, message: string): void {
    this.#found.push({ severity: 'warning', path, message });
  }
}
