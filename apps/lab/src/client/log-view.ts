import { LabError } from '../errors.ts';

interface Waiter {
  readonly matches: (line: string) => boolean;
  readonly resolve: (line: string) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

/** Lines of one log as they come, and those who wait for one. */
export class LogView {
  readonly #source: string;
  readonly #lines: string[] = [];
  readonly #waiters = new Set<Waiter>();
  #ended: { readonly error: unknown } | undefined;

  constructor(source: string) {
    this.#source = source;
  }

  /** Adds whole lines of text. */
  push(text: string): void {
    for (const line of text.replace(/\n$/, '').split('\n')) {
      this.#lines.push(line);
      for (const waiter of this.#waiters) if (waiter.matches(line)) this.#settle(waiter, () => waiter.resolve(line));
    }
  }

  /** No more lines: whoever waits is told why. */
  end(error: unknown): void {
    this.#ended = { error };
    for (const waiter of this.#waiters) this.#settle(waiter, () => waiter.reject(error));
  }

  /** The first line from number `from` on that matches, now or later. Throws LAB_TIMEOUT, or why the log has ended. */
  waitFor(
    matches: (line: string) => boolean,
    options: { readonly timeoutMs: number; readonly from: number },
  ): Promise<string> {
    const { timeoutMs, from } = options;
    const found = this.#lines.slice(from).find(matches);
    if (found !== undefined) return Promise.resolve(found);
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(this.#ended.error instanceof Error ? this.#ended.error : new LabError('LAB_CLOSED', this.#source));
        return;
      }
      let missing = from - this.#lines.length;
      const counted = (line: string): boolean => {
        missing -= 1;
        return missing < 0 && matches(line);
      };
      const timer = setTimeout(() => {
        const last = this.#lines.at(-1) ?? '(empty)';
        this.#settle(waiter, () =>
          reject(new LabError('LAB_TIMEOUT', `log ${this.#source}: no such line in ${timeoutMs} ms; last: ${last}`)),
        );
      }, timeoutMs);
      const waiter: Waiter = { matches: counted, resolve, reject, timer };
      this.#waiters.add(waiter);
    });
  }

  #settle(waiter: Waiter, settle: () => void): void {
    clearTimeout(waiter.timer);
    this.#waiters.delete(waiter);
    settle();
  }
}
