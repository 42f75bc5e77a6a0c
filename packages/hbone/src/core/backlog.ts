/** Memory for copies is taken in pieces up to this size. */
const PIECE_BYTES = 16_384;

/** Up to here a loop copies faster than `set` on a view made for it. */
const LOOP_COPY_BYTES = 32;

/**
 * Bytes that wait, in few pieces however many frames brought them: a peer that sends one octet at a time must not cost an
 * object for each. Copies take at most twice their bytes.
 */
export class Backlog {
  #pieces: Uint8Array[] = [];
  /** The last piece, filled up to `#end`. */
  #open: Uint8Array | undefined;
  #end = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Copies `memory[start, end)` behind what waits. */
  copy(memory: Uint8Array, start: number, end: number): void {
    const bytes = end - start;
    const before = this.#bytes;
    this.#bytes += bytes;
    if (this.#open === undefined || this.#open.length - this.#end < bytes) {
      this.#seal();
      this.#open = new Uint8Array(Math.max(bytes, Math.min(2 * before, PIECE_BYTES)));
    }
    // For a few octets a loop is cheaper than a view.
    if (bytes > LOOP_COPY_BYTES) this.#open.set(memory.subarray(start, end), this.#end);
    else for (let from = start, to = this.#end; from < end; from++, to++) this.#open[to] = memory[from]!;
    this.#end += bytes;
  }

  /** Puts memory that its owner will not write to again behind what waits. */
  keep(memory: Uint8Array): void {
    this.#seal();
    this.#bytes += memory.length;
    this.#pieces.push(memory);
  }

  /** Everything in order; nothing waits after. */
  take(): readonly Uint8Array[] {
    this.#seal();
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#bytes = 0;
    return pieces;
  }

  #seal(): void {
    const open = this.#open;
    if (open === undefined) return;
    // A piece that is mostly empty would be memory for nothing.
    this.#pieces.push(2 * this.#end < open.length ? open.slice(0, this.#end) : open.subarray(0, this.#end));
    this.#open = undefined;
    this.#end = 0;
  }
}
