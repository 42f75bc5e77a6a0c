import { type Heartbeat, readHeartbeat } from '../data-plane/heartbeat.ts';
import type { DataThread } from '../data-plane/thread.ts';
import type { Logger } from '../log/logger.ts';
import type { Clock } from './certificates/certificate-source.ts';
import type { MetricFamily } from './telemetry/open-metrics.ts';

/** How often the threads are looked at. */
export const CHECK_MS = 1000;
/**
 * Time between two looks that counts at most, and never more than the limit: no single look finds a thread stuck. If the
 * process was stopped, or this thread was busy, nobody had a chance to beat, or to be seen to.
 */
const MOST_COUNTED_MS = 2 * CHECK_MS;

export interface HeartbeatsOptions {
  readonly threads: readonly Pick<DataThread, 'heartbeat'>[];
  /** A thread that has been silent for longer is stuck. */
  readonly limitMs: number;
  readonly clock: Clock;
  /** Of the module `data_thread`. */
  readonly logger: Logger;
}

interface Watched {
  readonly thread: number;
  readonly heartbeat: Heartbeat;
  last: number;
  silentMs: number;
  told: boolean;
}

/** Watches that all data threads go on turning, and tells of those that do not: once, and once more when they do again. */
export class Heartbeats {
  readonly #options: HeartbeatsOptions;
  readonly #watched: readonly Watched[];
  #lookedAtMs: number;
  #cancel: () => void;

  constructor(options: HeartbeatsOptions) {
    this.#options = options;
    this.#watched = options.threads.flatMap(({ heartbeat }, thread) =>
      heartbeat === undefined ? [] : [{ thread, heartbeat, last: 0, silentMs: 0, told: false }],
    );
    this.#lookedAtMs = options.clock.now();
    this.#cancel = this.#watched.length === 0 ? () => undefined : this.#schedule();
  }

  /** Numbers of the threads that are stuck, as far as is known. */
  get stuck(): readonly number[] {
    return this.#watched.filter(({ told }) => told).map(({ thread }) => thread);
  }

  close(): void {
    this.#cancel();
  }

  family(): MetricFamily {
    return {
      name: 'ambientmesh_data_thread_stuck',
      kind: 'gauge',
      help: 'Whether a data thread does not go on: its connections stand still.',
      samples: this.#watched.map(({ thread, told }) => ({
        labels: [['thread', String(thread)]],
        value: told ? 1 : 0,
      })),
    };
  }

  #schedule(): () => void {
    return this.#options.clock.schedule(CHECK_MS, () => this.#look());
  }

  #look(): void {
    const nowMs = this.#options.clock.now();
    const passedMs = Math.max(0, Math.min(nowMs - this.#lookedAtMs, MOST_COUNTED_MS, this.#options.limitMs));
    this.#lookedAtMs = nowMs;
    for (const one of this.#watched) this.#check(one, passedMs);
    this.#cancel = this.#schedule();
  }

  #check(one: Watched, passedMs: number): void {
    const beats = readHeartbeat(one.heartbeat);
    const { logger, limitMs } = this.#options;
    const fields = [['thread', one.thread]] as const;
    // Loading its program may take its time: until it has begun, readiness waits for its first answer anyway.
    if (beats === one.last && beats !== 0) one.silentMs += passedMs;
    else {
      one.last = beats;
      one.silentMs = 0;
      if (one.told) logger.info(fields, 'data thread goes on again');
      one.told = false;
    }
    if (one.silentMs <= limitMs || one.told) return;
    one.told = true;
    logger.warn(
      [...fields, ['silent_ms', one.silentMs]],
      'data thread is stuck: its connections stand still and no pod can be started; not ready until it goes on; ' +
        'if it does not, see what it does (perf top -t of thread data-N) and restart this process',
    );
  }
}
