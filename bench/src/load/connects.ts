import { setTimeout as sleep } from 'node:timers/promises';
import { dialWarm } from './dial.ts';
import { Failures } from './failures.ts';
import { Latencies } from './latencies.ts';
import type { Load } from './load.ts';
import { monotonicMs } from './monotonic.ts';
import { CONNECT_PORTS, type LoadResult } from './protocol.ts';

/** After a failure, so that a refusing peer does not make this a busy loop. */
const AFTER_FAILURE_MS = 10;

/**
 * New connections as fast as they go, a fixed number at a time: connect, one byte there and back, close. Each worker has
 * a port of its own: with one port, the 28,000 local ones of Linux would be used up by TIME_WAIT in seconds.
 */
export class Connects implements Load {
  readonly #host: string;
  readonly #connections: number;
  readonly #failures = new Failures();
  readonly #latencies = new Latencies();
  #markedAtMs = 0;
  #stopped = false;

  constructor(options: { readonly host: string; readonly connections: number }) {
    this.#host = options.host;
    this.#connections = options.connections;
  }

  async start(): Promise<void> {
    const socket = await dialWarm(this.#host, this.#port(0));
    socket.destroy();
    for (let worker = 0; worker < this.#connections; worker += 1)
      this.#work(this.#port(worker)).catch((error: Error) => this.#failures.add(error));
  }

  mark(): void {
    this.#failures.take();
    this.#latencies.clear();
    this.#markedAtMs = monotonicMs();
  }

  measure(): Promise<LoadResult> {
    const seconds = (monotonicMs() - this.#markedAtMs) / 1_000;
    const latencyMs = this.#latencies.summarize();
    return Promise.resolve({
      seconds,
      completed: this.#latencies.count,
      ...(latencyMs === undefined ? {} : { latencyMs }),
      failures: this.#failures.take(),
    });
  }

  stop(): void {
    this.#stopped = true;
  }

  async #work(port: number): Promise<void> {
    while (!this.#stopped) {
      const beganAtMs = monotonicMs();
      try {
        const socket = await dialWarm(this.#host, port);
        this.#latencies.add(monotonicMs() - beganAtMs);
        socket.destroy();
      } catch (error) {
        if (!this.#stopped) this.#failures.add(error instanceof Error ? error : String(error));
        await sleep(AFTER_FAILURE_MS);
      }
    }
  }

  #port(worker: number): number {
    return CONNECT_PORTS[worker % CONNECT_PORTS.length] ?? 0;
  }
}
