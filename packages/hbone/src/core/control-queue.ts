import {
  CLIENT_PREFACE,
  Flag,
  FRAME_HEADER_BYTES,
  FrameType,
  PAYLOAD_BYTES,
  readUint24,
  writeFrameHeader,
  writeUint32,
} from './frame.ts';
import type { Setting } from './settings.ts';

/** Made when the first frame comes: of the two queues of a connection one stays empty for long. */
const INITIAL_BYTES = 256;
const NOTHING = new Uint8Array(0);
/** A buffer that grew larger than this is given back once it is empty: idle connections are many. */
const KEEP_BYTES = 4096;

/** Whole control frames waiting to be sent, first in first out. It does not bound itself: `bytes` is checked by its owner. */
export class ControlQueue {
  #memory = NOTHING;
  #head = 0;
  #tail = 0;
  #prefaceWaiting = false;

  /** Octets waiting. */
  get bytes(): number {
    return this.#tail - this.#head;
  }

  preface(): void {
    const at = this.#reserve(CLIENT_PREFACE.length);
    this.#memory.set(CLIENT_PREFACE, at);
    this.#prefaceWaiting = true;
  }

  settings(settings: readonly Setting[]): void {
    let at = this.#frame(FrameType.SETTINGS, 0, 0, settings.length * PAYLOAD_BYTES.SETTING);
    for (const { id, value } of settings) {
      this.#memory[at] = id >>> 8;
      this.#memory[at + 1] = id;
      writeUint32(this.#memory, at + 2, value);
      at += PAYLOAD_BYTES.SETTING;
    }
  }

  settingsAck(): void {
    this.#frame(FrameType.SETTINGS, Flag.ACK, 0, 0);
  }

  headers(id: number, block: Uint8Array, last: boolean): void {
    const flags = Flag.END_HEADERS | (last ? Flag.END_STREAM : 0);
    const at = this.#frame(FrameType.HEADERS, flags, id, block.length);
    this.#memory.set(block, at);
  }

  resetStream(id: number, code: number): void {
    const at = this.#frame(FrameType.RST_STREAM, 0, id, PAYLOAD_BYTES.RST_STREAM);
    writeUint32(this.#memory, at, code);
  }

  windowUpdate(id: number, increment: number): void {
    const at = this.#frame(FrameType.WINDOW_UPDATE, 0, id, PAYLOAD_BYTES.WINDOW_UPDATE);
    writeUint32(this.#memory, at, increment);
  }

  /** Our own PING; its octets are the number. */
  ping(number: number): void {
    const at = this.#frame(FrameType.PING, 0, 0, PAYLOAD_BYTES.PING);
    writeUint32(this.#memory, at, 0);
    writeUint32(this.#memory, at + 4, number);
  }

  /** The answer to the PING whose payload is at `payload[from]`. */
  pong(payload: Uint8Array, from: number): void {
    const at = this.#frame(FrameType.PING, Flag.ACK, 0, PAYLOAD_BYTES.PING);
    for (let index = 0; index < PAYLOAD_BYTES.PING; index++) this.#memory[at + index] = payload[from + index]!;
  }

  goaway(last: number, code: number): void {
    const at = this.#frame(FrameType.GOAWAY, 0, 0, PAYLOAD_BYTES.GOAWAY);
    writeUint32(this.#memory, at, last);
    writeUint32(this.#memory, at + 4, code);
  }

  /** Moves as many whole frames as fit into `memory[at, at + room)`; answers the octets. */
  drain(memory: Uint8Array, at: number, room: number): number {
    let end = this.#head;
    while (end < this.#tail) {
      const next = end + this.#unitBytes(end);
      if (next - this.#head > room) break;
      this.#prefaceWaiting = false;
      end = next;
    }
    const bytes = end - this.#head;
    if (bytes > 0) memory.set(this.#memory.subarray(this.#head, end), at);
    this.#head = end;
    if (this.#head === this.#tail) this.#rewind();
    return bytes;
  }

  #unitBytes(at: number): number {
    return this.#prefaceWaiting ? CLIENT_PREFACE.length : FRAME_HEADER_BYTES + readUint24(this.#memory, at);
  }

  #rewind(): void {
    this.#head = this.#tail = 0;
    if (this.#memory.length > KEEP_BYTES) this.#memory = NOTHING;
  }

  /** Writes a frame header and answers where its payload goes. */
  #frame(type: number, flags: number, id: number, length: number): number {
    const at = this.#reserve(FRAME_HEADER_BYTES + length);
    writeFrameHeader(this.#memory, at, { length, type, flags, id });
    return at + FRAME_HEADER_BYTES;
  }

  #reserve(bytes: number): number {
    if (this.#tail + bytes > this.#memory.length) this.#makeRoom(bytes);
    const at = this.#tail;
    this.#tail += bytes;
    return at;
  }

  #makeRoom(bytes: number): void {
    const waiting = this.bytes;
    // Moving down pays only when at least half of the memory is free, else every frame would move everything.
    const target =
      2 * (waiting + bytes) <= this.#memory.length
        ? this.#memory
        : new Uint8Array(Math.max(INITIAL_BYTES, 2 * (this.#memory.length + bytes)));
    target.set(this.#memory.subarray(this.#head, this.#tail));
    this.#memory = target;
    this.#head = 0;
    this.#tail = waiting;
  }
}
