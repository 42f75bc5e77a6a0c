import type { Reactor } from '../loop/reactor.ts';
import { SLOT_PAYLOAD_BYTES } from '../loop/read-memory.ts';

/** What one socket reads in a turn before the others have theirs; more would not stay in the cache until it leaves. */
const TURN_BYTES = 16 * SLOT_PAYLOAD_BYTES;
/**
 * A socket that has delivered less than this is read in small shares: the other end's word on the first bytes (a reset, say)
 * is heard before all that has arrived was passed on.
 */
const SLOW_START_BYTES = 1_048_576;
const SLOW_TURN_BYTES = 65_536;

/** Reads one socket into the slots of the thread's read memory: more of them while it fills them, and its share of a turn. */
export class SlotReader {
  readonly #reactor: Reactor;
  #slots = 1;
  #received = 0;
  /** When the turn began in which `#turnBytes` may still be read. */
  #turn = -1;
  #turnBytes = 0;

  constructor(reactor: Reactor) {
    this.#reactor = reactor;
  }

  /** How many bytes of `max` may be read at once; 0 or less: this turn's share is used up. */
  most(max: number): number {
    const now = this.#reactor.now();
    if (this.#turn !== now) {
      this.#turn = now;
      this.#turnBytes = this.#received < SLOW_START_BYTES ? SLOW_TURN_BYTES : TURN_BYTES;
    }
    return Math.min(max, this.#turnBytes, this.#slots * SLOT_PAYLOAD_BYTES);
  }

  /** Reads `most` bytes into the slots, from the first one on: how many there were, 0 at the end, or the negated errno. */
  receive(descriptor: number, most: number): number {
    const { readMemory, calls } = this.#reactor;
    this.#reactor.settle();
    let bytes: number;
    if (most <= SLOT_PAYLOAD_BYTES) bytes = calls.read(descriptor, readMemory.payloadOf(0), most);
    else {
      const { vectors, count } = readMemory.prepare(most);
      bytes = calls.readv(descriptor, vectors, count);
    }
    if (bytes <= 0) return bytes;
    this.#turnBytes -= bytes;
    this.#received += bytes;
    if (bytes === this.#slots * SLOT_PAYLOAD_BYTES) this.#slots = Math.min(this.#slots * 2, readMemory.slotCount);
    return bytes;
  }
}
