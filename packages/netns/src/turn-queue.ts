import { NetnsError } from './errors.ts';

/** Hands one turn at a time to callers, in the order in which they asked. */
export class TurnQueue {
  readonly #maxWaiting: number;
  /** Those who wait, longest first. */
  readonly #waiting = new Set<() => void>();
  #taken = false;

  /** At most `maxWaiting` callers wait, beside the one whose turn it is. */
  constructor(maxWaiting: number) {
    this.#maxWaiting = maxWaiting;
  }

  /**
   * Begins a turn and says so at once, if it is nobody's and nobody waits. `end` ends it.
   * @see take
   */
  tryTake(): boolean {
    if (this.#taken) return false;
    this.#taken = true;
    return true;
  }

  /**
   * Begins a turn once it is the caller's; `end` ends it. Who aborts while waiting leaves the queue.
   * @throws {NetnsError} `NETNS_BUSY` if the queue is full; and the signal's reason.
   */
  async take(signal?: AbortSignal): Promise<void> {
    if (this.tryTake()) return;
    if (this.#waiting.size >= this.#maxWaiting)
      throw new NetnsError('NETNS_BUSY', `${this.#maxWaiting} calls wait already (await them before making more)`);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = (): void => {
      // A turn that has been handed over is taken, and ended, by the caller.
      if (this.#waiting.delete(resolve)) reject(signal?.reason);
    };
    this.#waiting.add(resolve);
    signal?.addEventListener('abort', onAbort);
    try {
      await promise;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Ends the turn: it is the next caller's. */
  end(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#taken = false;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
