import type { Reactor } from '../loop/reactor.ts';
import { SLAB_BYTES } from '../memory/slab-pool.ts';

/** Up to here a loop copies faster than `set` on a view made for it. */
const LOOP_COPY_BYTES = 32;
const NONE = -1;

/** Small things that become one record: gathered in a slab, which is taken for the first and given back with the record. */
export class Gathered {
  readonly #reactor: Reactor;
  #slab = NONE;
  #bytes = 0;

  constructor(reactor: Reactor) {
    this.#reactor = reactor;
  }

  /** Bytes that are gathered; `full` is as many as there can be. */
  get bytes(): number {
    return this.#bytes;
  }

  get full(): boolean {
    return this.#bytes === SLAB_BYTES;
  }

  /** Where they are in the arena. */
  get at(): number {
    return this.#slab;
  }

  /** Copies as much of `memory[start, end)` as there is room for, and answers how much; 0: no slab is left. */
  append(memory: Uint8Array, start: number, end: number): number {
    if (this.#slab === NONE) {
      if (this.#reactor.slabs.left === 0) return 0;
      this.#slab = this.#reactor.slabs.take();
    }
    const { bytes } = this.#reactor.arena;
    const length = Math.min(end - start, SLAB_BYTES - this.#bytes);
    const to = this.#slab + this.#bytes;
    if (memory === bytes) bytes.copyWithin(to, start, start + length);
    else if (length > LOOP_COPY_BYTES) bytes.set(memory.subarray(start, start + length), to);
    else for (let index = 0; index < length; index++) bytes[to + index] = memory[start + index]!;
    this.#bytes += length;
    return length;
  }

  /** Gives the slab back. */
  drop(): void {
    if (this.#slab === NONE) return;
    this.#reactor.slabs.give(this.#slab);
    this.#slab = NONE;
    this.#bytes = 0;
  }
}
