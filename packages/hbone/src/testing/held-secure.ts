import type { Secure, SecureHandler, SocketAddress } from '../engine.ts';
import { PREFACE } from './raw-frames.ts';

const ROOM_BYTES = 1_048_576;
const HEADER_BYTES = 9;
const NOBODY: SecureHandler = {
  established: () => {},
  bytes: () => {},
  delivered: () => {},
  writable: () => {},
  ended: () => {},
  failed: () => {},
};

/** A frame that was sent. */
export interface SentFrame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

/**
 * A TLS connection whose other end is the test: what comes in one piece, and when, is the test's to say, which no
 * socket can promise.
 */
export class HeldSecure implements Secure {
  handler: SecureHandler = NOBODY;
  readonly local: SocketAddress = { ip: '127.0.0.1', port: 1 };
  readonly remote: SocketAddress = { ip: '127.0.0.1', port: 2 };
  readonly peerChain: readonly Uint8Array[] = [];
  aborted = false;
  /** Of `close`; undefined until then. */
  done: (() => void) | undefined;
  #sent = Buffer.alloc(0);

  get room(): number {
    return ROOM_BYTES - this.#sent.length;
  }

  send(memory: Uint8Array, start: number, end: number): void {
    if (!this.aborted && this.done === undefined) this.#sent = Buffer.concat([this.#sent, memory.subarray(start, end)]);
  }

  sendFrame(header: Uint8Array, memory: Uint8Array, start: number, end: number): void {
    this.send(header, 0, header.length);
    this.send(memory, start, end);
  }

  pause(): void {}
  resume(): void {}

  close(done: () => void = () => {}): void {
    this.done = done;
  }

  abort(): void {
    this.aborted = true;
  }

  /** Bytes come, all in one call. */
  receive(...parts: readonly Uint8Array[]): void {
    const bytes = Buffer.concat(parts);
    this.handler.bytes(bytes, 0, bytes.length);
    this.handler.delivered();
  }

  /** Every frame sent so far, and forgets them. */
  takeFrames(): SentFrame[] {
    const bytes = this.#sent;
    this.#sent = Buffer.alloc(0);
    const frames: SentFrame[] = [];
    let at = bytes.subarray(0, PREFACE.length).equals(PREFACE) ? PREFACE.length : 0;
    while (at + HEADER_BYTES <= bytes.length) {
      const payload = at + HEADER_BYTES;
      const end = payload + bytes.readUIntBE(at, 3);
      const [type, flags, id] = [bytes[at + 3]!, bytes[at + 4]!, bytes.readUInt32BE(at + 5)];
      frames.push({ type, flags, id, payload: bytes.subarray(payload, end) });
      at = end;
    }
    return frames;
  }
}
