/** What an idle connection's few control frames need. Taken from Node's own pool, and left to it. */
const SMALL_BYTES = 1024;
/** A TLS record. */
const MIDDLE_BYTES = 16_384;
/** Sixteen TLS records; 64 KiB to 512 KiB are equal within noise, below that system calls show. */
export const LARGE_BYTES = 163_584;

/** Free slabs that are kept: 1 MiB of records, 4 MiB of large ones. */
const MAX_FREE = { middle: 64, large: 16 };

/**
 * Memory for bytes on their way to a socket, used again and again: allocating and collecting it costs more than copying
 * into memory that the processor still has in its cache.
 */
export class Slabs {
  readonly #middle: Buffer[] = [];
  readonly #large: Buffer[] = [];

  /** A slab of one of the three sizes, of at least `bytes` if the largest has as many. */
  take(bytes: number): Buffer {
    if (bytes <= SMALL_BYTES) return Buffer.allocUnsafe(SMALL_BYTES);
    if (bytes <= MIDDLE_BYTES) return this.#middle.pop() ?? Buffer.allocUnsafeSlow(MIDDLE_BYTES);
    return this.#large.pop() ?? Buffer.allocUnsafeSlow(LARGE_BYTES);
  }

  /** Takes a slab back that nobody reads or writes any more. */
  give(slab: Buffer): void {
    if (slab.length === LARGE_BYTES && this.#large.length < MAX_FREE.large) this.#large.push(slab);
    else if (slab.length === MIDDLE_BYTES && this.#middle.length < MAX_FREE.middle) this.#middle.push(slab);
  }
}
