import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { closeDescriptor, duplicate } from '@ambientmesh/netns';
import { createLogBacklog } from '../log/log-backlog.ts';
import type { EngineName } from './choose-engine.ts';
import type { DataThreadData } from './data-thread.ts';
import { createHeartbeat } from './heartbeat.ts';
import type { DataPlaneConfig, FromDataThread, ToDataThread } from './protocol.ts';
import type { DataThread } from './thread.ts';

/**
 * Three semi-spaces. What Node's sockets deliver is memory outside of V8's heap that dies young: a small young generation is
 * collected often, cheaply, and gives it back before V8 collects the whole heap for it. The reactor makes no such garbage,
 * only what a connection needs while it lives, and a small one would have that moved again and again. Collecting it takes
 * 5 us a connection with 24 MiB, 7 with 12, 13 with 6 and 20 with 3; two thirds of it are resident for good.
 */
const YOUNG_GENERATION_MIB: Readonly<Record<EngineName, number>> = { node: 3, reactor: 12 };
/** What a thread gets to end in order: one that turns needs a few milliseconds. */
const END_GRACE_MS = 500;
/** A 64-bit 1: what eventfd(2) adds. All architectures that this runs on are little-endian. */
const WAKE = new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]);

export interface WorkerThreadOptions {
  readonly config: DataPlaneConfig;
  readonly engine: EngineName;
  /** Program of the worker: it calls `runDataThread`. */
  readonly program: URL;
  /** The thread ended by itself: the proxy cannot go on. */
  onDeath(error: Error): void;
}

/** A data thread as a worker of this process. */
export class WorkerThread implements DataThread {
  onMessage: (message: FromDataThread) => void = () => undefined;
  readonly heartbeat = createHeartbeat();
  readonly logBacklog = createLogBacklog();
  readonly #worker: Worker;
  readonly #exited: Promise<unknown>;
  /** Our own descriptor of the thread's eventfd: its number means nothing else for as long as we have it. */
  #wake: number | undefined;
  #ending = false;

  constructor(options: WorkerThreadOptions) {
    const { config, engine, program } = options;
    const { heartbeat, logBacklog } = this;
    const data: DataThreadData = { kind: 'ambientmesh-data-thread', config, engine, heartbeat, logBacklog };
    this.#worker = new Worker(program, {
      workerData: data,
      name: `data-${config.thread}`,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB[engine] },
    });
    this.#worker.on('message', (message: FromDataThread) => this.#take(message));
    this.#worker.on('error', (error: unknown) => {
      this.#ending = true;
      options.onDeath(error instanceof Error ? error : new Error(String(error)));
    });
    this.#worker.on('exit', (code) => {
      if (this.#wake !== undefined) closeDescriptor(this.#wake);
      this.#wake = undefined;
      if (!this.#ending) options.onDeath(new Error(`data thread ${config.thread} ended with code ${code}`));
    });
    this.#exited = once(this.#worker, 'exit');
    // An error of the thread is told by `onDeath`.
    this.#exited.catch(() => undefined);
  }

  post(message: ToDataThread): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker thread, not a window
    this.#worker.postMessage(message);
    this.#wakeUp();
  }

  async terminate(): Promise<void> {
    if (!this.#ending) {
      this.#ending = true;
      this.post({ type: 'end' });
      const grace = new AbortController();
      const late = delay(END_GRACE_MS, undefined, { ref: false, signal: grace.signal }).catch(() => undefined);
      await Promise.race([this.#exited.catch(() => undefined), late]);
      grace.abort();
    }
    await this.#worker.terminate();
  }

  #take(message: FromDataThread): void {
    if (message.type === 'engine' && message.wakeDescriptor !== undefined && !this.#ending) {
      this.#wake = duplicate(message.wakeDescriptor);
      // What was posted before may still be unheard.
      this.#wakeUp();
    }
    this.onMessage(message);
  }

  #wakeUp(): void {
    if (this.#wake !== undefined) writeSync(this.#wake, WAKE);
  }
}
