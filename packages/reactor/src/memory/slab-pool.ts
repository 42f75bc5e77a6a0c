import { ReactorError } from '../errors.ts';
import type { Arena } from './arena.ts';

/** A TLS record's worth, and whole pages of 4 and of 16 KiB. */
export const SLAB_BYTES = 16_384;
/** Free slabs kept with their pages: 8 MiB; those of more go back to the kernel. */
export const WARM_SLABS = 512;
/** Of all slabs, the part that is kept for connections that need few. */
const SPARE_PART = 1 / 16;
/** Of the rest of what is left, the part that one connection may let wait. */
const SHARE_PART = 1 / 8;
const POISON = 0xdb;

const TAKEN = 1;
const FREE = 2;

/**
 * Pieces of the arena, SLAB_BYTES each, for bytes that have to wait: refused by a full socket, or gathered in this turn.
 * One that is given back twice is refused. With `poison` a free slab is filled, and trapped if it was written to.
 */
export class SlabPool {
  readonly #arena: Arena;
  readonly #start: number;
  readonly #poison: boolean;
  /** By number of the slab. */
  readonly #states: Uint8Array;
  /** Free ones that have their pages, and such as have none: those are taken last. */
  readonly #warm: number[] = [];
  readonly #cold: number[] = [];
  #reached = 0;
  #taken = 0;

  /** @throws {ReactorError} `REACTOR_MEMORY_EXHAUSTED` if the arena has no room for `most` slabs. */
  constructor(arena: Arena, most: number, poison = false) {
    this.#arena = arena;
    this.#start = arena.reserve(most * SLAB_BYTES, SLAB_BYTES);
    this.#poison = poison;
    this.#states = new Uint8Array(most);
  }

  /** Slabs that somebody has. */
  get taken(): number {
    return this.#taken;
  }

  /** Of those that are left, so many are not for who has many already. */
  get spare(): number {
    return this.#states.length * SPARE_PART;
  }

  /**
   * Bytes that one connection may let wait, if it can be told to stop: a part of what is left, so that slow readers however
   * many never take all, but a slab at least.
   */
  get share(): number {
    return Math.max(SLAB_BYTES, (this.left - this.spare) * SLAB_BYTES * SHARE_PART);
  }

  /** Slabs that may still be taken. */
  get left(): number {
    return this.#states.length - this.#taken;
  }

  /**
   * Offset of a slab, whose bytes are whatever they are.
   * @throws {ReactorError} `REACTOR_MEMORY_EXHAUSTED`; with `poison` `REACTOR_MEMORY_MISUSED`, and that slab is out of use.
   */
  take(): number {
    const number = this.#warm.pop() ?? this.#cold.pop() ?? this.#unused();
    if (this.#poison && this.#states[number] === FREE) this.#checkPoison(number);
    this.#states[number] = TAKEN;
    this.#taken++;
    return this.#start + number * SLAB_BYTES;
  }

  /** @throws {ReactorError} `REACTOR_MEMORY_MISUSED` for what is no slab, or is free already. */
  give(at: number): void {
    const number = (at - this.#start) / SLAB_BYTES;
    if (this.#states[number] !== TAKEN)
      throw new ReactorError('REACTOR_MEMORY_MISUSED', `what is given back at ${at} is no slab that somebody has`);
    this.#states[number] = FREE;
    this.#taken--;
    if (this.#poison) this.#arena.bytes.fill(POISON, at, at + SLAB_BYTES);
    else if (this.#warm.length >= WARM_SLABS) {
      this.#arena.discard(at, SLAB_BYTES);
      this.#cold.push(number);
      return;
    }
    this.#warm.push(number);
  }

  #unused(): number {
    if (this.#reached === this.#states.length)
      throw new ReactorError('REACTOR_MEMORY_EXHAUSTED', `all ${this.#reached} slabs of ${SLAB_BYTES} bytes are taken`);
    return this.#reached++;
  }

  #checkPoison(number: number): void {
    const { bytes } = this.#arena;
    const start = this.#start + number * SLAB_BYTES;
    for (let at = start; at < start + SLAB_BYTES; at++)
      if (bytes[at] !== POISON)
        throw new ReactorError('REACTOR_MEMORY_MISUSED', `the free slab at ${start} was written to, at ${at - start}`);
  }
}
