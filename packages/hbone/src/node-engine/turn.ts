/** A socket with writes to hand to the kernel at the end of the turn. */
export interface Flushable {
  flush(): void;
}

/** Bytes below this are copied when they must be kept: a small view would pin its slab of 16 or 64 KiB. */
const KEEP_VIEW_BYTES = 2048;
/** Small writes of all sockets are gathered in slabs of this size. */
const SLAB_BYTES = 65_536;

/** Up to here a loop copies faster than `set` on a view made for it. */
const LOOP_COPY_BYTES = 32;

/** A part of a slab that its owner fills from `start` to `end` and may extend while nobody else took the next byte. */
export interface Gathered {
  readonly slab: Buffer;
  readonly start: number;
  end: number;
}

/**
 * What one engine does once a turn of the event loop: callbacks first, then one flush for every socket written to.
 * It also knows which memory the engine is lending out, so that bytes of it are passed on without a copy.
 */
export class Turn {
  /** The chunk a socket is delivering right now; nobody writes to it again, so views of it may be kept. */
  lent: Uint8Array | undefined;
  #callbacks: (() => void)[] = [];
  #dirty: Flushable[] = [];
  #scheduled = false;
  #slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  #slabEnd = 0;

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

  /** Bytes that stay valid: a view of lent memory, or a copy. */
  keep(memory: Uint8Array, start: number, end: number): Uint8Array {
    if (memory === this.lent && end - start >= KEEP_VIEW_BYTES) return memory.subarray(start, end);
    const copy = Buffer.allocUnsafe(end - start);
    copy.set(start === 0 && end === memory.length ? memory : memory.subarray(start, end));
    return copy;
  }

  /** Copies bytes behind `open` if the slab goes on there, else into a new part; undefined: too large to gather. */
  gather(open: Gathered | undefined, memory: Uint8Array, start: number, end: number): Gathered | undefined {
    const bytes = end - start;
    if (bytes > SLAB_BYTES / 4) return undefined;
    if (this.#slabEnd + bytes > SLAB_BYTES) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#slabEnd = 0;
    }
    const extend = open !== undefined && open.slab === this.#slab && open.end === this.#slabEnd;
    const part = extend ? open : { slab: this.#slab, start: this.#slabEnd, end: this.#slabEnd };
    // For a frame header a loop is cheaper than a view.
    if (bytes > LOOP_COPY_BYTES) part.slab.set(memory.subarray(start, end), part.end);
    else for (let from = start, to = part.end; from < end; from++, to++) part.slab[to] = memory[from]!;
    part.end += bytes;
    this.#slabEnd = part.end;
    return part;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // The check phase: after all I/O callbacks of this turn and their microtasks.
    setImmediate(this.#run);
  }

  readonly #run = (): void => {
    this.#scheduled = false;
    for (let index = 0; index < this.#callbacks.length; index++) this.#callbacks[index]!();
    this.#callbacks = [];
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const socket of dirty) socket.flush();
  };
}
