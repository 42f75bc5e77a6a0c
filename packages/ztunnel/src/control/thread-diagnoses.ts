import type { FromDataThread, ToDataThread } from '../data-plane/protocol.ts';
import type { Diagnosis, DiagnosisWanted } from '../data-plane/thread-diagnosis.ts';

/** What a thread gets to answer beside the time that was asked for. */
export const ANSWER_GRACE_MS = 2000;

/** The data threads, as far as they are asked one by one. */
export interface AskedThreads {
  readonly count: number;
  postTo(thread: number, message: ToDataThread): void;
}

/** Asks single data threads to look into themselves. */
export class ThreadDiagnoses {
  readonly #threads: () => AskedThreads;
  readonly #waiting = new Map<number, (diagnosis: Diagnosis) => void>();
  #nextId = 0;

  constructor(threads: () => AskedThreads) {
    this.#threads = threads;
  }

  get threads(): number {
    return this.#threads().count;
  }

  /** A thread that does not answer in time has a failure, too: it is stuck. */
  async examine(thread: number, wanted: DiagnosisWanted): Promise<Diagnosis> {
    const id = this.#nextId++;
    const { promise, resolve } = Promise.withResolvers<Diagnosis>();
    const limitMs = ANSWER_GRACE_MS + (wanted.kind === 'cpu-profile' ? wanted.durationMs : 0);
    const timer = setTimeout(() => resolve({ failure: `data thread ${thread} does not answer` }), limitMs).unref();
    this.#waiting.set(id, resolve);
    this.#threads().postTo(thread, { type: 'diagnose', id, wanted });
    const diagnosis = await promise;
    clearTimeout(timer);
    this.#waiting.delete(id);
    return diagnosis;
  }

  /** An answer has come; one that is too late is passed over. */
  take({ id, diagnosis }: Extract<FromDataThread, { readonly type: 'diagnosis' }>): void {
    this.#waiting.get(id)?.(diagnosis);
  }
}
