import { Duplex } from 'node:stream';
import { type ByteSink, END, type Plain } from '../engine.ts';

/** Largest read from the `Plain` at once. */
const READ_BYTES = 65_536;
/** Bytes queued in the `Plain` before the writer has to wait. */
const MAX_QUEUED_BYTES = 262_144;

/** A `Duplex` on a `Plain` of another making (a tunnel's stream, say), so that `node:tls` runs on it. Takes the `Plain` over. */
export class PlainDuplex extends Duplex {
  readonly #plain: Plain;
  readonly #sink: ByteSink = {
    bytes: (memory, start, end) => void (this.#wanted = this.push(Buffer.from(memory.subarray(start, end)))),
  };
  #wanted = false;
  #writing: (() => void) | undefined;

  constructor(plain: Plain) {
    super({ allowHalfOpen: true });
    this.#plain = plain;
    plain.handler = {
      readable: () => {
        if (this.#wanted) this.#pump();
      },
      written: () => this.#written(),
      failed: ({ code, message }) => void this.destroy(Object.assign(new Error(message), { code })),
    };
  }

  override _read(): void {
    this.#wanted = true;
    this.#pump();
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#plain.write(chunk, 0, chunk.length);
    if (this.#plain.queued > MAX_QUEUED_BYTES) this.#writing = done;
    else done();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#plain.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const orderly = error === null && this.readableEnded && this.writableFinished;
    if (orderly) this.#plain.close();
    else this.#plain.reset();
    done(error);
  }

  #written(): void {
    if (this.#plain.queued > MAX_QUEUED_BYTES) return;
    const done = this.#writing;
    this.#writing = undefined;
    done?.();
  }

  #pump(): void {
    while (this.#wanted && !this.destroyed) {
      const bytes = this.#plain.read(READ_BYTES, this.#sink);
      if (bytes === 0) return;
      if (bytes === END) {
        this.#wanted = false;
        this.push(null);
      }
    }
  }
}
