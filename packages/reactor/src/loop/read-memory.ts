import type { Arena } from '../memory/arena.ts';
import { IOVEC } from '../native/kernel-layout.ts';

/** One TLS record's plaintext: what is read into a slot, with a frame header before it, fills one. RFC 8446 5.1 */
export const SLOT_BYTES = 16_384;
/** Room for an HTTP/2 frame header before what is read into a slot. RFC 9113 4.1 */
export const SLOT_HEADROOM_BYTES = 9;
/** What one slot takes. */
export const SLOT_PAYLOAD_BYTES = SLOT_BYTES - SLOT_HEADROOM_BYTES;
const SLOTS = 16;
/** Plaintext of one series of TLS records. */
const RECORDS_BYTES = 294_912;

/**
 * The memory that all connections of a thread read into, one after the other. Whatever is delivered from it is lent until
 * the next read: see `Reactor.settle`.
 */
export class ReadMemory {
  /** Where the first slot begins. */
  readonly slots: number;
  readonly slotCount = SLOTS;
  /** Where decrypted records go. */
  readonly records: number;
  readonly recordsBytes = RECORDS_BYTES;
  readonly #arena: Arena;
  readonly #vectors: number;

  constructor(arena: Arena) {
    this.#arena = arena;
    this.slots = arena.reserve(SLOTS * SLOT_BYTES, SLOT_BYTES);
    this.records = arena.reserve(RECORDS_BYTES, SLOT_BYTES);
    this.#vectors = arena.reserve(SLOTS * IOVEC.size);
  }

  /** Where the payload of the slot `index` begins. */
  payloadOf(index: number): number {
    return this.slots + index * SLOT_BYTES + SLOT_HEADROOM_BYTES;
  }

  /** Whether `at` is where the payload of a slot begins, so that a frame header fits before it. */
  isPayloadStart(at: number): boolean {
    const offset = at - this.slots - SLOT_HEADROOM_BYTES;
    return offset >= 0 && offset < SLOTS * SLOT_BYTES && offset % SLOT_BYTES === 0;
  }

  /** Vectors for reading at most `max` bytes into slots, for `SystemCalls.readv`: how many there are. */
  prepare(max: number): { readonly vectors: number; readonly count: number } {
    let left = max;
    let count = 0;
    for (; count < SLOTS && left > 0; count++) {
      const length = Math.min(left, SLOT_PAYLOAD_BYTES);
      this.#arena.putVector(this.#vectors, count, this.payloadOf(count), length);
      left -= length;
    }
    return { vectors: this.#vectors, count };
  }
}
