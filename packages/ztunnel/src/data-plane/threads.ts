import { createNodeEngine } from '@ambientmesh/hbone';
import { createLogBacklog } from '../log/log-backlog.ts';
import { DataPlane } from './data-plane.ts';
import type { DataPlaneConfig } from './protocol.ts';
import type { DataThread } from './thread.ts';
import { WorkerThread, type WorkerThreadOptions } from './worker-thread.ts';

export interface DataThreadsOptions extends Omit<WorkerThreadOptions, 'config'> {
  /** Without number and count of the thread. */
  readonly config: Omit<DataPlaneConfig, 'thread' | 'threads'>;
  /** 0: the data plane runs in this thread. */
  readonly count: number;
}

/** Starts the data plane on `count` threads. */
export function startDataThreads(options: DataThreadsOptions): DataThread[] {
  const { config } = options;
  // Without port reuse only one of them could listen.
  const threads = config.portReuse ? options.count : Math.min(options.count, 1);
  if (threads === 0) return [inThisThread({ ...config, thread: 0, threads: 1 }, options)];
  return Array.from(
    { length: threads },
    (_, thread) => new WorkerThread({ ...options, config: { ...config, thread, threads } }),
  );
}

function inThisThread(config: DataPlaneConfig, { engine }: Pick<DataThreadsOptions, 'engine'>): DataThread {
  const logBacklog = createLogBacklog();
  const thread: DataThread = {
    logBacklog,
    post: (message) => plane.apply(message),
    onMessage: () => undefined,
    terminate: () => {
      plane.close();
      return Promise.resolve();
    },
  };
  const plane = new DataPlane(config, createNodeEngine(), { emit: (message) => thread.onMessage(message), logBacklog });
  // A loop that waits for nobody else would hold up the control plane.
  const reason = engine === 'node' ? '' : 'the data plane runs in the main thread';
  // Not before the caller can have set `onMessage`.
  setImmediate(() => thread.onMessage({ type: 'engine', engine: 'node', reason, wakeDescriptor: undefined }));
  return thread;
}
