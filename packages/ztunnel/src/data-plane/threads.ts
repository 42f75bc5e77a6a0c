import { Worker } from 'node:worker_threads';
import { createNodeEngine } from '@ambientmesh/hbone';
import { DataPlane } from './data-plane.ts';
import type { DataThreadData } from './data-thread.ts';
import type { DataPlaneConfig, FromDataThread, ToDataThread } from './protocol.ts';
import type { DataThread } from './thread.ts';

/**
 * Semi-spaces of 1 MiB, a third of it each. What sockets deliver is memory outside of V8's heap that dies young: a small
 * young generation is collected often, cheaply, and gives it back before V8 collects the whole heap for it.
 */
const YOUNG_GENERATION_MIB = 3;

export interface DataThreadsOptions {
  /** Without number and count of the thread. */
  readonly config: Omit<DataPlaneConfig, 'thread' | 'threads'>;
  /** 0: the data plane runs in this thread. */
  readonly count: number;
  /** Program of the workers: it calls `runDataThread`. */
  readonly program: URL;
  /** A data thread ended by itself: the proxy cannot go on. */
  onDeath(error: Error): void;
}

/** Starts the data plane on `count` threads. */
export function startDataThreads(options: DataThreadsOptions): DataThread[] {
  const { config } = options;
  // Without port reuse only one of them could listen.
  const count = config.portReuse ? options.count : Math.min(options.count, 1);
  if (count === 0) return [inThisThread({ ...config, thread: 0, threads: 1 })];
  return Array.from({ length: count }, (_, thread) => inWorker({ ...config, thread, threads: count }, options));
}

function inThisThread(config: DataPlaneConfig): DataThread {
  const unheard: FromDataThread[] = [];
  const thread: DataThread = {
    post: (message) => plane.apply(message),
    onMessage: (message) => unheard.push(message),
    terminate: () => {
      plane.close();
      return Promise.resolve();
    },
  };
  const plane = new DataPlane(config, createNodeEngine(), (message) => thread.onMessage(message));
  return thread;
}

function inWorker(config: DataPlaneConfig, options: DataThreadsOptions): DataThread {
  const data: DataThreadData = { kind: 'ambientmesh-data-thread', config };
  const worker = new Worker(options.program, {
    workerData: data,
    name: `data-${config.thread}`,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB },
  });
  let ending = false;
  const thread: DataThread = {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker thread, not a window
    post: (message: ToDataThread) => worker.postMessage(message),
    onMessage: () => undefined,
    terminate: async () => {
      ending = true;
      await worker.terminate();
    },
  };
  worker.on('message', (message: FromDataThread) => thread.onMessage(message));
  worker.on('error', (error: unknown) => {
    ending = true;
    options.onDeath(error instanceof Error ? error : new Error(String(error)));
  });
  worker.on('exit', (code) => {
    if (!ending) options.onDeath(new Error(`data thread ${config.thread} ended with code ${code}`));
  });
  return thread;
}
