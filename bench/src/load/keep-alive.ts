import type { Socket } from 'node:net';
import { dialWarm } from './dial.ts';
import { Failures } from './failures.ts';
import { Latencies } from './latencies.ts';
import type { Load } from './load.ts';
import { monotonicMs } from './monotonic.ts';
import { ECHO_PORT, type LoadResult, REQUEST_BYTES, STARVED } from './protocol.ts';

const REQUEST = Buffer.alloc(REQUEST_BYTES, 'request ');

interface Connection {
  readonly socket: Socket;
  sentAtMs: number;
  /** Of the answer that is on its way. */
  bytes: number;
  /** Since `mark`. */
  answers: number;
}

/** Requests over warm connections, one at a time on each: the next is sent as soon as the answer has come. */
export class KeepAlive implements Load {
  readonly #host: string;
  readonly #count: number;
  readonly #connections: Connection[] = [];
  readonly #failures = new Failures();
  readonly #latencies = new Latencies();
  #markedAtMs = 0;

  constructor(options: { readonly host: string; readonly connections: number }) {
    this.#host = options.host;
    this.#count = options.connections;
  }

  async start(): Promise<void> {
    const sockets = await Promise.all(Array.from({ length: this.#count }, () => dialWarm(this.#host, ECHO_PORT)));
    for (const socket of sockets) this.#connections.push(this.#adopt(socket));
  }

  mark(): void {
    this.#failures.take();
    this.#latencies.clear();
    for (const connection of this.#connections) connection.answers = 0;
    this.#markedAtMs = monotonicMs();
  }

  measure(): Promise<LoadResult> {
    const seconds = (monotonicMs() - this.#markedAtMs) / 1_000;
    const open = this.#connections.filter(({ socket }) => !socket.destroyed);
    this.#failures.add('connection lost', this.#connections.length - open.length);
    this.#failures.add(STARVED, open.filter(({ answers }) => answers === 0).length);
    const latencyMs = this.#latencies.summarize();
    return Promise.resolve({
      seconds,
      completed: this.#latencies.count,
      ...(latencyMs === undefined ? {} : { latencyMs }),
      failures: this.#failures.take(),
    });
  }

  stop(): void {
    for (const { socket } of this.#connections) socket.destroy();
  }

  #adopt(socket: Socket): Connection {
    const connection: Connection = { socket, sentAtMs: monotonicMs(), bytes: 0, answers: 0 };
    socket.on('data', (chunk: Buffer) => {
      connection.bytes += chunk.length;
      if (connection.bytes < REQUEST_BYTES) return;
      const nowMs = monotonicMs();
      this.#latencies.add(nowMs - connection.sentAtMs);
      connection.answers += 1;
      connection.bytes -= REQUEST_BYTES;
      connection.sentAtMs = nowMs;
      socket.write(REQUEST);
    });
    socket.on('end', () => socket.destroy());
    socket.write(REQUEST);
    return connection;
  }
}
