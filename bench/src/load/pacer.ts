/**
 * A thread that wakes another one at exact times: timers of the event loop are only good to a millisecond, which is as
 * long as what is to be measured. Posts the time at which each request is due.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { monotonicMs } from './monotonic.ts';

const { intervalMs, stop }: { readonly intervalMs: number; readonly stop: SharedArrayBuffer } = workerData;
const stopped = new Int32Array(stop);
let dueMs = monotonicMs();
while (Atomics.load(stopped, 0) === 0) {
  const waitMs = dueMs - monotonicMs();
  if (waitMs > 0) {
    Atomics.wait(stopped, 0, 0, waitMs);
    continue;
  }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port, not a window
  parentPort?.postMessage(dueMs);
  dueMs += intervalMs;
}
