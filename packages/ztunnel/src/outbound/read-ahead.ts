import type { ByteSink, Plain, PlainHandler, SocketAddress } from '@ambientmesh/hbone';

/** An application's socket from which bytes were read already: whoever reads it next gets them first. */
export class ReadAhead implements Plain {
  readonly #plain: Plain;
  readonly #bytes: Uint8Array;
  #at = 0;

  /** `bytes` were read from `plain` and are kept, not copied. */
  constructor(plain: Plain, bytes: Uint8Array) {
    this.#plain = plain;
    this.#bytes = bytes;
  }

  get handler(): PlainHandler {
    return this.#plain.handler;
  }

  set handler(handler: PlainHandler) {
    this.#plain.handler = handler;
  }

  get local(): SocketAddress {
    return this.#plain.local;
  }

  get remote(): SocketAddress {
    return this.#plain.remote;
  }

  get descriptor(): number {
    return this.#plain.descriptor;
  }

  get queued(): number {
    return this.#plain.queued;
  }

  get room(): number {
    return this.#plain.room ?? Number.POSITIVE_INFINITY;
  }

  read(max: number, sink: ByteSink): number {
    const start = this.#at;
    if (start === this.#bytes.length) return this.#plain.read(max, sink);
    if (max <= 0) return 0;
    this.#at = Math.min(start + max, this.#bytes.length);
    sink.bytes(this.#bytes, start, this.#at);
    return this.#at - start;
  }

  write(memory: Uint8Array, start: number, end: number): void {
    this.#plain.write(memory, start, end);
  }

  end(): void {
    this.#plain.end();
  }

  close(): void {
    this.#plain.close();
  }

  reset(): void {
    this.#plain.reset();
  }
}
