import type { ToDataThread } from '../data-plane/protocol.ts';
import type { DataThread } from '../data-plane/thread.ts';
import type { ChangeParts } from './change-parts.ts';

/** Messages that change what is known of the mesh: in the order in which they were given. */
const CHANGES: ReadonlySet<ToDataThread['type']> = new Set([
  'workload',
  'workload-removed',
  'service',
  'service-removed',
  'policy',
  'policy-removed',
]);

/** A batch on its way to the thread, or before that. */
interface Batch {
  readonly parts: ChangeParts;
  /** Of the part that is sent next. */
  next: number;
  readonly settle: (taken: boolean) => void;
}

type Waiting = { readonly message: ToDataThread } | { readonly batch: Batch };

/**
 * Says things to a data thread, large batches part by part: the next part when the thread has taken the one before, so that
 * its connections have their turns in between. Changes that come meanwhile wait, in order. Nothing else does: a pod that
 * starts goes by what is in force, and a change that comes into force is told to all pods there are.
 */
export class ThreadFeed {
  readonly #thread: DataThread;
  /** What comes after `#sending`. */
  #waiting: Waiting[] = [];
  #sending: Batch | undefined;
  #pause: NodeJS.Immediate | undefined;
  #closed = false;

  constructor(thread: DataThread) {
    this.#thread = thread;
  }

  post(message: ToDataThread): void {
    if (this.#idle || !CHANGES.has(message.type)) this.#thread.post(message);
    else this.#waiting.push({ message });
  }

  /** Puts changes in force as one. Resolves with true when they are, with false when the feed was closed before that. */
  apply(parts: ChangeParts): Promise<boolean> {
    const { promise, resolve: settle } = Promise.withResolvers<boolean>();
    const batch: Batch = { parts, next: 0, settle };
    if (this.#closed) settle(false);
    else if (this.#idle) this.#begin(batch);
    else this.#waiting.push({ batch });
    return promise;
  }

  /** To be called when the thread has answered a part of a batch. */
  taken(): void {
    // A turn for the others, also where the data plane runs in this thread.
    this.#pause = setImmediate(() => this.#proceed());
  }

  /** The thread has ended: nothing is said any more. */
  close(): void {
    this.#closed = true;
    clearImmediate(this.#pause);
    this.#sending?.settle(false);
    for (const one of this.#waiting) if ('batch' in one) one.batch.settle(false);
    this.#sending = undefined;
    this.#waiting = [];
  }

  get #idle(): boolean {
    return this.#sending === undefined && this.#waiting.length === 0;
  }

  #begin(batch: Batch): void {
    this.#sending = batch;
    this.#sendPart(batch);
  }

  #sendPart(batch: Batch): void {
    const { changes, last } = batch.parts.part(batch.next++);
    this.#thread.post({ type: last ? 'batch' : 'batch-part', changes });
  }

  #proceed(): void {
    const batch = this.#sending;
    if (batch === undefined) return;
    if (!batch.parts.part(batch.next - 1).last) return this.#sendPart(batch);
    this.#sending = undefined;
    batch.settle(true);
    this.#sendWaiting();
  }

  /** Up to the next batch, which the rest waits for. */
  #sendWaiting(): void {
    while (this.#sending === undefined) {
      const first = this.#waiting.shift();
      if (first === undefined) return;
      if ('batch' in first) this.#begin(first.batch);
      else this.#thread.post(first.message);
    }
  }
}
