import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import type { Cancellable, Engine } from '@ambientmesh/hbone';
import type { TurnTimes } from '../protocol.ts';
import type { SynchronousEngine } from '../synchronous-engine.ts';

const POLL_MS = 1;
const WAKE_BYTES = 8;

/** A loop without sockets, driven as the reactor is; a named pipe stands for its eventfd. */
export class PollingEngine implements SynchronousEngine {
  readonly wakeDescriptor: number;
  readonly holdings = { descriptors: 1, slabs: 2, tlsHandles: 3 };
  #turns = 0;
  readonly #beforeTurn: () => void;
  readonly #deaf: () => boolean;
  readonly #timers = new Map<() => void, number>();
  readonly #cell = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  readonly #endOfTurn: (() => void)[] = [];

  /** `pipe`: path of a pipe to be made; `deaf`: whether it waits for nothing but its wake-up. */
  constructor(options: { readonly pipe: string; beforeTurn(): void; deaf(): boolean }) {
    execFileSync('mkfifo', [options.pipe]);
    this.wakeDescriptor = openSync(options.pipe, constants.O_RDWR | constants.O_NONBLOCK);
    this.#beforeTurn = () => options.beforeTurn();
    this.#deaf = () => options.deaf();
  }

  drainTurnTimes(): TurnTimes {
    const turns = this.#turns;
    this.#turns = 0;
    return { turns, totalMs: turns, buckets: [turns] };
  }

  turn(timeoutMs: number): void {
    this.#turns++;
    this.#beforeTurn();
    const endMs = performance.now() + timeoutMs;
    const isOver = (): boolean => timeoutMs === 0 || (!this.#deaf() && performance.now() >= endMs);
    while (!this.#woken() && !isOver()) Atomics.wait(this.#cell, 0, 0, POLL_MS);
    for (const [callback, dueMs] of this.#timers)
      if (dueMs <= performance.now() && this.#timers.delete(callback)) callback();
    for (const callback of this.#endOfTurn.splice(0)) callback();
  }

  close(): void {
    closeSync(this.wakeDescriptor);
  }

  after(ms: number, callback: () => void): Cancellable {
    this.#timers.set(callback, performance.now() + ms);
    return { cancel: () => this.#timers.delete(callback) };
  }

  atEndOfTurn(callback: () => void): void {
    this.#endOfTurn.push(callback);
  }

  now(): number {
    return performance.now();
  }

  listen: Engine['listen'] = noSockets;
  connect: Engine['connect'] = noSockets;
  credentials: Engine['credentials'] = noSockets;
  secureServer: Engine['secureServer'] = noSockets;
  secureClient: Engine['secureClient'] = noSockets;

  #woken(): boolean {
    try {
      return readSync(this.wakeDescriptor, new Uint8Array(WAKE_BYTES)) > 0;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return false;
      throw error;
    }
  }
}

function noSockets(): never {
  throw new TypeError('this engine has no sockets');
}
