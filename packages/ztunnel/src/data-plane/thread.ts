import type { FromDataThread, ToDataThread } from './protocol.ts';

/** A data thread as the control thread sees it: a worker, or the data plane run in the same thread. */
export interface DataThread {
  post(message: ToDataThread): void;
  /** Set once, before the first `post`. */
  onMessage: (message: FromDataThread) => void;
  /** Ends the thread at once; resolves when it has ended. */
  terminate(): Promise<void>;
}
