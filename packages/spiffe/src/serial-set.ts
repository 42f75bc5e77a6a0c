/** Multiplier and start of FNV-1a with 32 bits. */
const FNV_PRIME = 0x01000193;
const FNV_OFFSET = 0x811c9dc5;

/** RFC 5280 4.1.2.2 allows 20, and certificates in the wild have more. */
const MAX_SERIAL_BYTES = 65_535;

/**
 * Serial numbers that lie in one piece of memory, found by their bytes: a hash table of places, without a string or an
 * object for each, as a list may have hundreds of thousands.
 */
export class SerialSet {
  readonly #bytes: Uint8Array;
  /** Place of the first byte, plus 1; 0 is free. */
  readonly #starts: Uint32Array;
  readonly #lengths: Uint16Array;
  readonly #mask: number;
  #size = 0;

  /** For up to `capacity` numbers that lie in `bytes`, which stay as they are. */
  constructor(bytes: Uint8Array, capacity: number) {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(2, capacity * 2)));
    this.#bytes = bytes;
    this.#starts = new Uint32Array(slots);
    this.#lengths = new Uint16Array(slots);
    this.#mask = slots - 1;
  }

  get size(): number {
    return this.#size;
  }

  /** Adds the number from `start` to `end`. Throws RangeError beyond `capacity`, and for one of more than 65,535 bytes. */
  add(start: number, end: number): void {
    if (this.#size * 2 > this.#mask || end - start > MAX_SERIAL_BYTES) throw new RangeError('no room for this number');
    const slot = this.#find(this.#bytes, start, end);
    if (this.#starts[slot] !== 0) return;
    this.#starts[slot] = start + 1;
    this.#lengths[slot] = end - start;
    this.#size++;
  }

  has(serial: Uint8Array): boolean {
    return this.#size > 0 && this.#starts[this.#find(serial, 0, serial.length)] !== 0;
  }

  /** The slot that holds the number, or the free one where it belongs. */
  #find(bytes: Uint8Array, start: number, end: number): number {
    let hash = FNV_OFFSET;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] ?? 0), FNV_PRIME);
    // The low bits of FNV depend on few bytes.
    for (let slot = (hash ^ (hash >>> 15)) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const known = (this.#starts[slot] ?? 0) - 1;
      if (known < 0 || (this.#lengths[slot] === end - start && this.#equal(known, bytes, start, end))) return slot;
    }
  }

  #equal(known: number, bytes: Uint8Array, start: number, end: number): boolean {
    for (let i = start; i < end; i++) if (this.#bytes[known + i - start] !== bytes[i]) return false;
    return true;
  }
}
