import type { Socket } from 'node:net';
import { dialWarm } from './dial.ts';
import { Failures } from './failures.ts';
import type { Load } from './load.ts';
import { ECHO_PORT, type LoadResult } from './protocol.ts';

/** Dialled at a time: below what listeners queue. */
const BATCH = 32;

/** Connections that rest, for the memory they cost. */
export class Held implements Load {
  readonly #host: string;
  readonly #connections: number;
  readonly #sockets: Socket[] = [];
  readonly #failures = new Failures();

  constructor(options: { readonly host: string; readonly connections: number }) {
    this.#host = options.host;
    this.#connections = options.connections;
  }

  async start(): Promise<void> {
    for (let opened = 0; opened < this.#connections; opened += BATCH) {
      const batch = Math.min(BATCH, this.#connections - opened);
      const outcomes = await Promise.allSettled(Array.from({ length: batch }, () => dialWarm(this.#host, ECHO_PORT)));
      for (const outcome of outcomes)
        if (outcome.status === 'fulfilled') this.#sockets.push(outcome.value);
        else this.#failures.add(outcome.reason instanceof Error ? outcome.reason : String(outcome.reason));
    }
  }

  mark(): void {
    // Failures to connect are the result: they are kept.
  }

  measure(): Promise<LoadResult> {
    const open = this.#sockets.filter((socket) => !socket.destroyed).length;
    this.#failures.add('closed early', this.#sockets.length - open);
    return Promise.resolve({ seconds: 0, completed: open, failures: this.#failures.take() });
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
