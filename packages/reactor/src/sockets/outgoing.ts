import type { Reactor } from '../loop/reactor.ts';
import { SLAB_BYTES } from '../memory/slab-pool.ts';
import { EAGAIN } from '../native/kernel-constants.ts';
import { MOST_VECTORS, type SocketShare } from './socket-share.ts';

/** Numbers of a piece: where it begins, its length, and its slab. */
const PIECE = 3;
/** In place of a slab: the bytes are lent. */
const LENT = -1;
/** A connection whose peer takes so little that this waits gets nothing of the slabs that are spared for the others. */
const FAIR_BYTES = 65_536;
/** Up to here a loop copies faster than `set` on a view made for it. */
const LOOP_COPY_BYTES = 32;

/**
 * What waits to be written to one socket, in order: ranges of the arena that were lent, and slabs into which the rest was
 * copied. Holds nothing while nothing waits.
 */
export class Outgoing {
  readonly #reactor: Reactor;
  readonly #share: SocketShare;
  /** PIECE numbers each. */
  readonly #pieces: number[] = [];
  /** Bytes that the slab of the last piece has left behind it. */
  #room = 0;
  #bytes = 0;

  constructor(reactor: Reactor, share: SocketShare) {
    this.#reactor = reactor;
    this.#share = share;
  }

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Appends `length` bytes at `at` of the arena, which stay as they are until `send` and `own`. */
  lend(at: number, length: number): void {
    const pieces = this.#pieces;
    const last = pieces.length - PIECE;
    this.#bytes += length;
    if (last >= 0 && pieces[last + 2] === LENT && at === pieces[last]! + pieces[last + 1]!) {
      pieces[last + 1]! += length;
      return;
    }
    pieces.push(at, length, LENT);
    this.#room = 0;
  }

  /** Appends a copy of `memory[start, end)`; false: there is no slab left for it, and nothing was appended. `spare`: of slabs. */
  copy(memory: Uint8Array, start: number, end: number, spare = this.#reactor.slabs.spare): boolean {
    const { slabs } = this.#reactor;
    const spared = this.#bytes + end - start > FAIR_BYTES ? spare : 0;
    if (end - start - this.#room > (slabs.left - spared) * SLAB_BYTES) return false;
    this.#bytes += end - start;
    for (let from = start; from < end; ) {
      if (this.#room === 0) this.#open(slabs.take());
      const last = this.#pieces.length - PIECE;
      const bytes = Math.min(end - from, this.#room);
      this.#put(this.#pieces[last]! + this.#pieces[last + 1]!, memory, from, bytes);
      this.#pieces[last + 1]! += bytes;
      this.#room -= bytes;
      from += bytes;
    }
    return true;
  }

  /** Writes until all is written, which is 0, or the kernel refuses: the negated errno, `-EAGAIN` for a full socket. */
  send(fd: number): number {
    const { calls } = this.#reactor;
    while (this.#bytes > 0) {
      const pieces = this.#pieces;
      let written: number;
      let asked: number;
      if (pieces.length === PIECE) {
        asked = pieces[1]!;
        written = calls.write(fd, pieces[0]!, asked);
      } else {
        asked = this.#prepare();
        const count = Math.min(pieces.length / PIECE, MOST_VECTORS);
        written = calls.writev(fd, this.#share.vectors, count);
      }
      if (written < 0) return written;
      this.#written(written);
      // Linux takes all that there is room for, and tells when there is again.
      if (written < asked) return -EAGAIN;
    }
    return 0;
  }

  /** Copies what is lent; false: there are not enough slabs, and what waits can only be dropped. */
  own(): boolean {
    if (this.#bytes === 0) return true;
    const pieces = this.#pieces.splice(0);
    const bytes = this.#bytes;
    this.#room = 0;
    for (let index = 0; index < pieces.length; index += PIECE) {
      const [at, length, slab] = [pieces[index]!, pieces[index + 1]!, pieces[index + 2]!];
      if (slab !== LENT) {
        this.#pieces.push(at, length, slab);
        this.#room = slab + SLAB_BYTES - at - length;
        continue;
      }
      this.#bytes -= length;
      if (this.copy(this.#reactor.arena.bytes, at, at + length)) continue;
      // Those behind it have slabs to give back.
      this.#pieces.push(...pieces.slice(index + PIECE));
      this.#bytes = bytes;
      return false;
    }
    return true;
  }

  /** Forgets what waits; answers how many bytes. */
  drop(): number {
    const bytes = this.#bytes;
    for (let index = 0; index < this.#pieces.length; index += PIECE) this.#give(this.#pieces[index + 2]!);
    this.#pieces.length = 0;
    this.#room = this.#bytes = 0;
    return bytes;
  }

  #open(slab: number): void {
    this.#pieces.push(slab, 0, slab);
    this.#room = SLAB_BYTES;
  }

  #put(to: number, memory: Uint8Array, from: number, length: number): void {
    const { bytes } = this.#reactor.arena;
    if (memory === bytes) bytes.copyWithin(to, from, from + length);
    else if (length > LOOP_COPY_BYTES) bytes.set(memory.subarray(from, from + length), to);
    else for (let index = 0; index < length; index++) bytes[to + index] = memory[from + index]!;
  }

  /** Writes the vectors of the first pieces; answers their bytes. */
  #prepare(): number {
    const pieces = this.#pieces;
    let bytes = 0;
    for (let index = 0, vector = 0; index < pieces.length && vector < MOST_VECTORS; index += PIECE, vector++) {
      this.#reactor.arena.putVector(this.#share.vectors, vector, pieces[index]!, pieces[index + 1]!);
      bytes += pieces[index + 1]!;
    }
    return bytes;
  }

  #written(bytes: number): void {
    const pieces = this.#pieces;
    this.#bytes -= bytes;
    let left = bytes;
    let done = 0;
    for (; done < pieces.length && left >= pieces[done + 1]!; done += PIECE) {
      left -= pieces[done + 1]!;
      this.#give(pieces[done + 2]!);
    }
    if (done === pieces.length) {
      // Not by its length, which is a call into V8's runtime: there is one piece nearly always.
      while (pieces.length > 0) pieces.pop();
      this.#room = 0;
      return;
    }
    pieces.splice(0, done);
    pieces[0]! += left;
    pieces[1]! -= left;
  }

  #give(slab: number): void {
    if (slab !== LENT) this.#reactor.slabs.give(slab);
  }
}
