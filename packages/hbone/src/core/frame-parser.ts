import { FRAME_HEADER_BYTES, readUint24, readUint31 } from './frame.ts';

/**
 * How a payload is wanted: in the pieces in which it comes; in one piece (copied together if it must be); not at all;
 * or nothing more of this connection.
 */
export type PayloadMode = 'pieces' | 'whole' | 'skip' | 'stop';

/** Receives frames; one object a connection. */
export interface FrameHandler {
  /** A frame header. Must not answer `whole` for a `length` it would not want allocated. */
  begin(type: number, flags: number, id: number, length: number): PayloadMode;
  /** The next piece of a payload and how many octets follow; for an empty payload one empty piece. */
  piece(memory: Uint8Array, start: number, end: number, left: number): void;
  /** A whole payload, valid in the call. */
  whole(memory: Uint8Array, start: number, end: number): void;
}

/** Cuts a byte stream, however it was split, into frames. */
export class FrameParser {
  readonly #handler: FrameHandler;
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES);
  #headerBytes = 0;
  #inPayload = false;
  #mode: PayloadMode = 'skip';
  /** Octets of the payload that have not come yet. */
  #left = 0;
  /** The part of a `whole` payload that came in earlier pushes. */
  #collected: Uint8Array | undefined;
  #collectedBytes = 0;

  constructor(handler: FrameHandler) {
    this.#handler = handler;
  }

  push(memory: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end && this.#mode !== 'stop') {
      if (!this.#inPayload) {
        at = this.#readHeader(memory, at, end);
        if (!this.#inPayload) return;
      }
      at = this.#readPayload(memory, at, end);
    }
  }

  /** Takes nothing more, not even the rest of the current push. */
  stop(): void {
    this.#mode = 'stop';
    this.#collected = undefined;
  }

  #readHeader(memory: Uint8Array, at: number, end: number): number {
    if (this.#headerBytes === 0 && end - at >= FRAME_HEADER_BYTES) {
      this.#begin(memory, at);
      return at + FRAME_HEADER_BYTES;
    }
    let from = at;
    while (from < end && this.#headerBytes < FRAME_HEADER_BYTES) this.#header[this.#headerBytes++] = memory[from++]!;
    if (this.#headerBytes === FRAME_HEADER_BYTES) {
      this.#headerBytes = 0;
      this.#begin(this.#header, 0);
    }
    return from;
  }

  #begin(header: Uint8Array, at: number): void {
    this.#left = readUint24(header, at);
    this.#inPayload = true;
    const mode = this.#handler.begin(header[at + 3]!, header[at + 4]!, readUint31(header, at + 5), this.#left);
    // The handler may have called `stop` meanwhile.
    if (this.#mode !== 'stop') this.#mode = mode;
  }

  #readPayload(memory: Uint8Array, at: number, end: number): number {
    const to = Math.min(end, at + this.#left);
    if (to === at && this.#left > 0) return at;
    this.#left -= to - at;
    if (this.#left === 0) this.#inPayload = false;
    if (this.#mode === 'pieces') this.#handler.piece(memory, at, to, this.#left);
    else if (this.#mode === 'whole') this.#collect(memory, at, to);
    return to;
  }

  #collect(memory: Uint8Array, start: number, end: number): void {
    if (this.#collected === undefined && this.#left === 0) {
      this.#handler.whole(memory, start, end);
      return;
    }
    this.#collected ??= new Uint8Array(end - start + this.#left);
    this.#collected.set(memory.subarray(start, end), this.#collectedBytes);
    this.#collectedBytes += end - start;
    if (this.#left > 0) return;
    const payload = this.#collected;
    this.#collected = undefined;
    this.#collectedBytes = 0;
    this.#handler.whole(payload, 0, payload.length);
  }
}
