import type { Socket } from 'node:net';
import { LARGE_BYTES, type Slabs } from './slabs.ts';

/** Up to here a loop copies faster than `set` on a view made for it. */
const LOOP_COPY_BYTES = 32;

/** A slab, filled up to `end`. */
interface Piece {
  slab: Buffer;
  end: number;
}

/**
 * What waits to be written to one socket: copied behind each other, so that header and payload of many frames are one
 * buffer and one write. The socket has one write at a time, for Node's TLS copies several into one before it encrypts.
 */
export class Outgoing {
  readonly #socket: Socket;
  readonly #slabs: Slabs;
  readonly #taken: (bytes: number) => void;
  readonly #full: Piece[] = [];
  #open: Piece | undefined;
  #writing: Piece | undefined;
  #bytes = 0;

  /** `taken` hears how many bytes the socket is done with, never from inside a method of this object. */
  constructor(socket: Socket, slabs: Slabs, taken: (bytes: number) => void) {
    this.#socket = socket;
    this.#slabs = slabs;
    this.#taken = taken;
  }

  /** Bytes that the socket is not done with. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether some bytes were not handed to the socket yet. */
  get waiting(): boolean {
    return this.#open !== undefined || this.#full.length > 0;
  }

  /** Copies `memory[start, end)` behind what waits. Full slabs go to the socket at once, the rest with `flush`. */
  append(memory: Uint8Array, start: number, end: number): void {
    this.#bytes += end - start;
    for (let at = start; at < end; ) {
      const piece = this.#openFor(end - at);
      const bytes = Math.min(end - at, piece.slab.length - piece.end);
      if (bytes > LOOP_COPY_BYTES) piece.slab.set(memory.subarray(at, at + bytes), piece.end);
      else for (let from = at, to = piece.end; from < at + bytes; from++, to++) piece.slab[to] = memory[from]!;
      at += bytes;
      piece.end += bytes;
      if (piece.end === LARGE_BYTES) this.#close(piece);
    }
  }

  /** Hands what waits to the socket, unless it is still at work: then that follows by itself. */
  flush(): void {
    if (this.#writing !== undefined) return;
    let piece = this.#full.shift();
    if (piece === undefined) {
      piece = this.#open;
      this.#open = undefined;
    }
    if (piece === undefined) return;
    this.#writing = piece;
    this.#socket.write(piece.end === piece.slab.length ? piece.slab : piece.slab.subarray(0, piece.end), this.#wrote);
  }

  /** Forgets what was not handed over. */
  drop(): void {
    this.#open = undefined;
    this.#full.length = 0;
  }

  /** The open piece, with room for `bytes` or as much as a slab has. */
  #openFor(bytes: number): Piece {
    const open = this.#open;
    if (open === undefined) return (this.#open = { slab: this.#slabs.take(bytes), end: 0 });
    if (open.slab.length - open.end < bytes && open.slab.length < LARGE_BYTES) {
      const { slab } = open;
      open.slab = this.#slabs.take(open.end + bytes);
      open.slab.set(slab.subarray(0, open.end));
      this.#slabs.give(slab);
    }
    return open;
  }

  #close(piece: Piece): void {
    this.#full.push(piece);
    this.#open = undefined;
    this.flush();
  }

  readonly #wrote = (error?: Error | null): void => {
    const done = this.#writing;
    // After an error the socket is gone; what the kernel still reads is not ours to hand out again.
    if (done === undefined || error) return;
    this.#writing = undefined;
    this.#bytes -= done.end;
    this.#slabs.give(done.slab);
    if (this.waiting) this.flush();
    this.#taken(done.end);
  };
}
