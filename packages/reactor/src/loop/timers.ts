/** Not fired yet, or cancelled. */
interface Timer {
  readonly due: number;
  /** Breaks ties: those due at the same time fire in the order asked for. */
  readonly number: number;
  callback: (() => void) | undefined;
}

/** Cancelled timers are swept once they are most of the heap, and at least this many. */
const SWEEP = 64;

/** Timers of a thread, in a binary heap. */
export class Timers {
  #heap: Timer[] = [];
  #number = 0;
  /** What is added is not due before this: whoever adds from a callback waits for his turn behind those that were due. */
  #fired = 0;
  #cancelled = 0;

  /** Timers that are to fire. */
  get waiting(): number {
    return this.#heap.length - this.#cancelled;
  }

  /** When the next one is due, in the milliseconds of `add`; Infinity: none. */
  get next(): number {
    this.#dropCancelled();
    return this.#heap[0]?.due ?? Number.POSITIVE_INFINITY;
  }

  /** Calls once at `due` or later, in the next `fire` if that is no number or is past; the answer cancels. */
  add(due: number, callback: () => void): { cancel(): void } {
    const timer: Timer = { due: due > this.#fired ? due : this.#fired, number: this.#number++, callback };
    this.#push(timer);
    return {
      cancel: () => {
        if (timer.callback === undefined) return;
        timer.callback = undefined;
        this.#cancelled++;
        if (this.#cancelled >= SWEEP && this.#cancelled * 2 > this.#heap.length) this.#sweep();
      },
    };
  }

  /** Calls what is due at `now`; those that are added meanwhile wait for the next time, and so do the others if one throws. */
  fire(now: number): void {
    this.#fired = now;
    const last = this.#number;
    for (;;) {
      this.#dropCancelled();
      const first = this.#heap[0];
      if (first === undefined || first.due > now || first.number >= last) return;
      this.#pop();
      const { callback } = first;
      first.callback = undefined;
      callback?.();
    }
  }

  #dropCancelled(): void {
    while (this.#heap.length > 0 && this.#heap[0]?.callback === undefined) {
      this.#pop();
      this.#cancelled--;
    }
  }

  #sweep(): void {
    const live = this.#heap.filter(({ callback }) => callback !== undefined);
    this.#heap = [];
    this.#cancelled = 0;
    for (const timer of live) this.#push(timer);
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent]!;
      if (isBefore(above, timer)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (isBefore(last, heap[child]!)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.due < b.due || (a.due === b.due && a.number < b.number);
}
