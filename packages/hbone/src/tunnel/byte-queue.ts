import { Backlog } from '../core/backlog.ts';
import type { ByteSink } from '../engine.ts';

/** Copies of bytes that wait, first in first out, taken in parts of any size. */
export class ByteQueue {
  readonly #backlog = new Backlog();
  /** Taken from the backlog; those before `#next`, and `#at` bytes of that one, have left. */
  #pieces: readonly Uint8Array[] = [];
  #next = 0;
  #at = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  copy(memory: Uint8Array, start: number, end: number): void {
    if (start === end) return;
    this.#backlog.copy(memory, start, end);
    this.#bytes += end - start;
  }

  /** Delivers at most `max` bytes, in one piece, and answers how many; 0: none wait. */
  take(max: number, sink: ByteSink): number {
    if (this.#bytes === 0 || max <= 0) return 0;
    if (this.#next === this.#pieces.length) {
      this.#pieces = this.#backlog.take();
      this.#next = 0;
    }
    const piece = this.#pieces[this.#next]!;
    const start = this.#at;
    const bytes = Math.min(max, piece.length - start);
    this.#bytes -= bytes;
    this.#at += bytes;
    if (this.#at === piece.length) {
      this.#at = 0;
      this.#next += 1;
      if (this.#next === this.#pieces.length) this.#pieces = [];
      if (this.#pieces.length === 0) this.#next = 0;
    }
    sink.bytes(piece, start, start + bytes);
    return bytes;
  }

  clear(): void {
    this.#backlog.take();
    this.#pieces = [];
    this.#next = 0;
    this.#at = 0;
    this.#bytes = 0;
  }
}
