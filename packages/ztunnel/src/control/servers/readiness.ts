import type { Logger } from '../../log/logger.ts';

/** What the process waits for before it is ready (spec ztunnel.md §14). */
export type ReadinessTask = 'state manager' | 'workload proxy manager' | 'proxy';

/** Which tasks are open. A task may be opened again. */
export class Readiness {
  readonly #pending: Set<ReadinessTask>;
  readonly #logger: Logger;
  readonly #now: () => number;
  readonly #startedAt: number;

  /** `now`: milliseconds of a clock that only goes on; `logger`: of the module `readiness`. */
  constructor(tasks: readonly ReadinessTask[], logger: Logger, now: () => number = () => performance.now()) {
    this.#pending = new Set(tasks);
    this.#logger = logger;
    this.#now = now;
    this.#startedAt = now();
  }

  /** Sorted. */
  get pending(): string[] {
    return [...this.#pending].toSorted();
  }

  complete(task: ReadinessTask): void {
    if (!this.#pending.delete(task)) return;
    const took = renderSeconds(this.#now() - this.#startedAt);
    const left = this.#pending.size;
    const rest = left === 0 ? 'marking server ready' : `still awaiting ${left} tasks`;
    this.#logger.info([], `Task '${task}' complete (${took}), ${rest}`);
  }

  reopen(task: ReadinessTask): void {
    if (this.#pending.has(task)) return;
    this.#pending.add(task);
    this.#logger.debug([['task', task]], 'not ready any more');
  }
}

function renderSeconds(ms: number): string {
  return ms < 1000 ? `${ms.toFixed(3)}ms` : `${(ms / 1000).toFixed(3)}s`;
}
