import { Duplex } from 'node:stream';
import { HboneError } from '../errors.ts';
import { type StreamFailure, streamFailureText } from '../tunnel/stream-failure.ts';
import type { StreamHandler, TunnelStream } from '../tunnel/tunnel-stream.ts';

type Done = (error?: Error | null) => void;

/** A tunnel's stream as a `Duplex`, half-open allowed. The peer's window opens as the reader takes bytes. */
export class StreamDuplex extends Duplex {
  readonly #stream: TunnelStream;
  readonly #released: () => void;
  #uncredited = 0;
  #pending: { bytes: Uint8Array; at: number; done: Done } | undefined;

  /** `released` is called once when the stream is no longer used. */
  constructor(stream: TunnelStream, released: () => void) {
    super({ allowHalfOpen: true });
    this.#stream = stream;
    this.#released = released;
    // An object of its own: `writable` of `Duplex` is a property.
    const handler: StreamHandler = {
      data: (memory, start, end) => this.#data(memory, start, end),
      ended: () => this.push(null),
      writable: () => this.#pump(),
      failed: (failure) => this.#failed(failure),
    };
    stream.handler = handler;
    stream.start();
  }

  override _read(): void {
    this.#credit();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: Done): void {
    this.#pending = { bytes: chunk, at: 0, done };
    this.#pump();
  }

  override _final(done: Done): void {
    this.#stream.end();
    done();
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#stream.cancel();
    this.#released();
    done(error);
  }

  #data(memory: Uint8Array, start: number, end: number): void {
    this.#uncredited += end - start;
    if (this.push(Buffer.from(memory.subarray(start, end)))) this.#credit();
  }

  #failed(failure: StreamFailure): void {
    this.destroy(new HboneError('HBONE_STREAM_FAILED', streamFailureText(failure)));
  }

  #pump(): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    while (pending.at < pending.bytes.length) {
      const bytes = Math.min(this.#stream.budget, pending.bytes.length - pending.at);
      if (bytes <= 0) {
        this.#stream.wait();
        return;
      }
      this.#stream.send(pending.bytes, pending.at, pending.at + bytes);
      pending.at += bytes;
    }
    this.#pending = undefined;
    pending.done();
  }

  #credit(): void {
    this.#stream.credit(this.#uncredited);
    this.#uncredited = 0;
  }
}
