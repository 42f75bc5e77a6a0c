import type { LogBacklog } from '../log/log-backlog.ts';
import type { Heartbeat } from './heartbeat.ts';
import type { FromDataThread, ToDataThread } from './protocol.ts';

/** A data thread as the control thread sees it: a worker, or the data plane run in the same thread. */
export interface DataThread {
  post(message: ToDataThread): void;
  /** Set once, before the first `post`. */
  onMessage: (message: FromDataThread) => void;
  /** Ends the thread: in order if it does so at once, else by force. Resolves when it has ended. */
  terminate(): Promise<void>;
  /** Of its log: whoever takes a `log` message says there (`endWaiting`) when its lines wait no more. */
  readonly logBacklog: LogBacklog;
  /** Absent where it is the control thread's own. */
  readonly heartbeat?: Heartbeat;
}
