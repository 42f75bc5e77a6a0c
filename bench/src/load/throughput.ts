import { connect, type Socket } from 'node:net';
import { DIAL_TIMEOUT_MS } from './dial.ts';
import { Failures } from './failures.ts';
import type { Load } from './load.ts';
import { monotonicMs } from './monotonic.ts';
import { type LoadResult, SINK_PORT, SOURCE_PORT, STARVED } from './protocol.ts';
import { pumpInto } from './pump.ts';

/** Reading into one buffer again and again halves the receiver's CPU time beside `data` events. */
const RECEIVE_BUFFER_BYTES = 64 * 1_024;

interface Stream {
  readonly socket: Socket;
  /** Since `mark`. */
  receivedBytes: number;
}

/** Bytes in one direction over some connections. */
export class Throughput implements Load {
  readonly #host: string;
  readonly #connections: number;
  readonly #up: boolean;
  readonly #streams: Stream[] = [];
  readonly #failures = new Failures();
  #markedAtMs = 0;

  constructor(options: { readonly host: string; readonly connections: number; readonly direction: 'up' | 'down' }) {
    this.#host = options.host;
    this.#connections = options.connections;
    this.#up = options.direction === 'up';
  }

  async start(): Promise<void> {
    await Promise.all(Array.from({ length: this.#connections }, () => this.#open()));
  }

  mark(): void {
    for (const stream of this.#streams) stream.receivedBytes = 0;
    this.#markedAtMs = monotonicMs();
  }

  measure(): Promise<LoadResult> {
    const seconds = (monotonicMs() - this.#markedAtMs) / 1_000;
    const open = this.#streams.filter(({ socket }) => !socket.destroyed);
    this.#failures.add('closed early', this.#streams.length - open.length);
    if (!this.#up) this.#failures.add(STARVED, open.filter(({ receivedBytes }) => receivedBytes === 0).length);
    const completed = this.#streams.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0);
    return Promise.resolve({ seconds, completed, failures: this.#failures.take() });
  }

  stop(): void {
    for (const { socket } of this.#streams) socket.destroy();
  }

  #open(): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = connect({
        host: this.#host,
        port: this.#up ? SINK_PORT : SOURCE_PORT,
        onread: {
          buffer: Buffer.allocUnsafe(RECEIVE_BUFFER_BYTES),
          callback: (bytes) => {
            stream.receivedBytes += bytes;
            return true;
          },
        },
      });
      const stream: Stream = { socket, receivedBytes: 0 };
      this.#streams.push(stream);
      const timer = setTimeout(() => socket.destroy(new Error('timeout')), DIAL_TIMEOUT_MS);
      socket.on('error', reject);
      socket.once('connect', () => {
        clearTimeout(timer);
        if (this.#up) pumpInto(socket);
        resolve();
      });
    });
  }
}
