import type { CloseLimits } from '../engine-rules/close-limits.ts';
import { Slabs } from './slabs.ts';

/** A socket with writes to hand to the kernel at the end of the turn. */
export interface Flushable {
  flush(): void;
}

/** One read from the kernel; also more than the 16 KiB of a TLS record. */
export const READ_BYTES = 65_536;

/** What the sockets of one engine share: memory, and what is due at the end of the turn of the event loop. */
export class Turn {
  readonly closeLimits: CloseLimits;
  readonly slabs = new Slabs();
  /** Every socket reads into this, and is done with it before the next one reads. */
  readonly readMemory = Buffer.allocUnsafeSlow(READ_BYTES);
  #callbacks: (() => void)[] = [];
  #dirty: Flushable[] = [];
  #scheduled = false;

  constructor(closeLimits: CloseLimits) {
    this.closeLimits = closeLimits;
  }

  /** Calls at the end of this turn, before the flushes. */
  atEnd(callback: () => void): void {
    this.#callbacks.push(callback);
    this.#schedule();
  }

  /** Flushes `socket` at the end of this turn; the caller calls once a turn. */
  flushAtEnd(socket: Flushable): void {
    this.#dirty.push(socket);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // The check phase: after all I/O callbacks of this turn and their microtasks.
    setImmediate(this.#run);
  }

  readonly #run = (): void => {
    this.#scheduled = false;
    this.#call();
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const socket of dirty) socket.flush();
  };

  #call(): void {
    let called = 0;
    let threw = true;
    try {
      while (called < this.#callbacks.length) this.#callbacks[called++]!();
      threw = false;
    } finally {
      // One that throws takes neither those behind it along nor the flushes: they come in the next turn.
      this.#callbacks = threw ? this.#callbacks.slice(called) : [];
      if (threw) this.#schedule();
    }
  }
}
