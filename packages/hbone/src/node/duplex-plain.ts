import type { Duplex } from 'node:stream';
import { type ByteSink, END, type Plain, type PlainHandler, type SocketAddress } from '../engine.ts';
import { socketFailure } from '../node-engine/socket-failure.ts';

const NOBODY: PlainHandler = { readable: () => {}, written: () => {}, failed: () => {} };
const NOWHERE: SocketAddress = { ip: '', port: 0 };

/** `Plain` on a `Duplex` that is no socket, with half-open allowed and no other reader. Has no addresses and no descriptor. */
export class DuplexPlain implements Plain {
  handler: PlainHandler = NOBODY;
  readonly local = NOWHERE;
  readonly remote = NOWHERE;
  readonly descriptor = -1;
  readonly duplex: Duplex;
  #waiting: Uint8Array | undefined;
  #at = 0;
  #awaited = false;
  #ended = false;
  #queued = 0;
  #gone = false;

  constructor(duplex: Duplex) {
    this.duplex = duplex;
    duplex.on('readable', () => this.#announce());
    duplex.on('end', () => {
      this.#ended = true;
      this.#announce();
    });
    duplex.on('error', (error) => this.#fail(error));
    duplex.on('close', () => this.#fail(undefined));
    if (duplex.destroyed) process.nextTick(() => this.#fail(duplex.errored));
  }

  get queued(): number {
    return this.#queued;
  }

  read(max: number, sink: ByteSink): number {
    if (this.#gone || max <= 0) return 0;
    const memory = this.#waiting ?? this.#next();
    if (memory === undefined) {
      if (this.#ended) return END;
      this.#awaited = true;
      return 0;
    }
    const start = this.#at;
    const end = Math.min(memory.length, start + max);
    this.#at = end === memory.length ? 0 : end;
    this.#waiting = end === memory.length ? undefined : memory;
    sink.bytes(memory, start, end);
    return end - start;
  }

  write(memory: Uint8Array, start: number, end: number): void {
    if (this.#gone || start === end || this.duplex.writableEnded) return;
    const bytes = end - start;
    this.#queued += bytes;
    this.duplex.write(Buffer.from(memory.subarray(start, end)), (error) => {
      if (error || this.#gone) return;
      this.#queued -= bytes;
      // Never from inside `write`.
      process.nextTick(() => this.handler.written(bytes));
    });
  }

  end(): void {
    if (!this.#gone) this.duplex.end();
  }

  close(): void {
    if (this.#gone) return;
    this.#leave();
    this.duplex.end(() => this.duplex.destroy());
  }

  reset(): void {
    if (this.#gone) return;
    this.#leave();
    this.duplex.destroy(new Error('connection reset'));
  }

  #leave(): void {
    this.#gone = true;
    this.handler = NOBODY;
  }

  #next(): Uint8Array | undefined {
    const chunk: unknown = this.duplex.read();
    return chunk instanceof Uint8Array ? chunk : undefined;
  }

  #announce(): void {
    if (!this.#awaited || this.#gone) return;
    this.#awaited = false;
    this.handler.readable();
  }

  #fail(error: Error | null | undefined): void {
    if (this.#gone) return;
    // Both sides ended well: what is left is read to its end.
    if (!error && this.#ended && this.duplex.writableFinished) return;
    this.#gone = true;
    const reset = { code: 'ECONNRESET', message: 'Connection reset by peer (os error 104)' };
    this.handler.failed(error ? socketFailure(error) : reset);
  }
}
