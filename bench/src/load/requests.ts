import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { dialWarm } from './dial.ts';
import { Failures } from './failures.ts';
import { Latencies } from './latencies.ts';
import type { Load } from './load.ts';
import { monotonicMs } from './monotonic.ts';
import { ECHO_PORT, type LoadResult, REQUEST_BYTES } from './protocol.ts';

/** What is not answered this long after the end counts as failed. */
const GRACE_MS = 1_000;
const POLL_MS = 5;
const REQUEST = Buffer.alloc(REQUEST_BYTES, 'request ');

interface Connection {
  readonly socket: Socket;
  /** Times at which the unanswered requests were due, oldest first; those before `mark` as well. */
  readonly due: number[];
  bytes: number;
}

/**
 * Requests at a fixed rate over warm connections in turn. The rate does not follow the answers, and latency counts from
 * when a request was due, not from when it was sent: whoever stalls pays for all requests that came due meanwhile
 * (nothing of what is called coordinated omission).
 */
export class Requests implements Load {
  readonly #host: string;
  readonly #count: number;
  readonly #intervalMs: number;
  readonly #connections: Connection[] = [];
  readonly #failures = new Failures();
  readonly #latencies = new Latencies();
  readonly #late = new Latencies();
  readonly #stop = new SharedArrayBuffer(4);
  #pacer: Worker | undefined;
  #next = 0;
  #markedAtMs = 0;
  #endedAtMs = Number.POSITIVE_INFINITY;

  constructor(options: { readonly host: string; readonly connections: number; readonly perSecond: number }) {
    this.#host = options.host;
    this.#count = options.connections;
    this.#intervalMs = 1_000 / options.perSecond;
  }

  async start(): Promise<void> {
    const sockets = await Promise.all(Array.from({ length: this.#count }, () => dialWarm(this.#host, ECHO_PORT)));
    for (const socket of sockets) this.#connections.push(this.#adopt(socket));
    this.#pacer = new Worker(new URL('./pacer.ts', import.meta.url), {
      workerData: { intervalMs: this.#intervalMs, stop: this.#stop },
    });
    this.#pacer.on('error', (error) => this.#failures.add(error instanceof Error ? error : String(error)));
    this.#pacer.on('message', (dueMs: number) => this.#send(dueMs));
  }

  mark(): void {
    this.#failures.take();
    this.#latencies.clear();
    this.#late.clear();
    this.#markedAtMs = monotonicMs();
  }

  async measure(): Promise<LoadResult> {
    this.#endedAtMs = monotonicMs();
    const seconds = (this.#endedAtMs - this.#markedAtMs) / 1_000;
    while (this.#unanswered() > 0 && monotonicMs() < this.#endedAtMs + GRACE_MS) await sleep(POLL_MS);
    this.#failures.add('no answer', this.#unanswered());
    const latencyMs = this.#latencies.summarize();
    const late = this.#late.summarize();
    return {
      seconds,
      completed: this.#latencies.count,
      ...(latencyMs === undefined ? {} : { latencyMs }),
      ...(late === undefined ? {} : { lateP99Ms: late.p99 }),
      failures: this.#failures.take(),
    };
  }

  stop(): void {
    const stop = new Int32Array(this.#stop);
    Atomics.store(stop, 0, 1);
    Atomics.notify(stop, 0);
    for (const connection of this.#connections) connection.socket.destroy();
  }

  #send(dueMs: number): void {
    if (dueMs >= this.#endedAtMs) return;
    const connection = this.#connections[this.#next];
    this.#next = (this.#next + 1) % this.#connections.length;
    if (connection === undefined || connection.socket.destroyed) {
      this.#failures.add('connection lost');
      return;
    }
    this.#late.add(monotonicMs() - dueMs);
    connection.due.push(dueMs);
    connection.socket.write(REQUEST);
  }

  #adopt(socket: Socket): Connection {
    const connection: Connection = { socket, due: [], bytes: 0 };
    socket.on('data', (chunk: Buffer) => {
      connection.bytes += chunk.length;
      const nowMs = monotonicMs();
      for (; connection.bytes >= REQUEST_BYTES; connection.bytes -= REQUEST_BYTES) {
        const dueMs = connection.due.shift();
        if (dueMs !== undefined && this.#counts(dueMs)) this.#latencies.add(nowMs - dueMs);
      }
    });
    socket.on('end', () => socket.destroy());
    return connection;
  }

  #counts(dueMs: number): boolean {
    return dueMs >= this.#markedAtMs && dueMs < this.#endedAtMs;
  }

  #unanswered(): number {
    return this.#connections.reduce((sum, { due }) => sum + due.filter((dueMs) => this.#counts(dueMs)).length, 0);
  }
}
