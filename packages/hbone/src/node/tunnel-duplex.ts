import type { Duplex } from 'node:stream';
import type { Fields } from '../core/contract.ts';
import { ErrorCode } from '../core/error-code.ts';
import type { Secure, SocketAddress } from '../engine.ts';
import { HboneError } from '../errors.ts';
import type { NodeEngine } from '../node-engine/engine.ts';
import type { StreamFailure } from '../tunnel/stream-failure.ts';
import type { TunnelStream } from '../tunnel/tunnel-stream.ts';
import { IdleDuplex } from './idle-duplex.ts';
import { streamError } from './tunnel-error.ts';
import { headerMap } from './tunnel-headers.ts';

type Done = (error?: Error | null) => void;
interface Chunk {
  readonly chunk: Uint8Array;
}

/** Chunks below this share a DATA frame with those behind them. */
const SMALL_BYTES = 4096;
/** A frame of small chunks: what one TLS record carries. */
const GATHER_BYTES = 16_384;
/** Scratch memory: the engine copies from it within the call. */
const gathered = new Uint8Array(GATHER_BYTES);
const NONE: readonly Chunk[] = [];

/** Where a tunnel came from. */
export interface TunnelOrigin {
  readonly engine: NodeEngine;
  readonly secure: Secure;
  readonly authority: string;
  /** The other end's header fields. */
  readonly fields: Fields;
}

/** A stream that somebody else takes over from its `Duplex`. */
interface Taken {
  readonly stream: TunnelStream;
  readonly engine: NodeEngine;
}

let take: (tunnel: TunnelDuplex, abort: () => void) => Taken | undefined;

/**
 * One tunnel as a `Duplex` with half-open allowed: `end()` ends our side only, 'end' the peer's. The peer's window opens
 * as the reader takes bytes, so a slow reader holds a stream window (4 MiB) at most.
 *
 * `destroy()` tells the peer CANCEL, `destroy(error)` CONNECT_ERROR. A reset by the peer is an 'error' with code
 * HBONE_STREAM_RESET, a lost connection one with HBONE_CONNECTION_LOST; bytes before an end of the peer's side are still
 * read first. Who does not listen to 'error' hears 'close': no peer can end the process. Nothing is told before whoever
 * awaits the tunnel has it.
 *
 * `setTimeout` is that of a `net.Socket`; its other settings are there and do nothing.
 */
export class TunnelDuplex extends IdleDuplex {
  static {
    take = (tunnel, abort) => tunnel.#take(abort);
  }

  /** Where the tunnel leads, as the client asked. */
  readonly authority: string;
  readonly #stream: TunnelStream;
  readonly #origin: TunnelOrigin;
  #headers: ReadonlyMap<string, string> | undefined;
  #started = false;
  #uncredited = 0;
  #remoteEnded = false;
  #chunks: readonly Chunk[] = NONE;
  #index = 0;
  #at = 0;
  #done: Done | undefined;
  /** The stream is gone; told once what came before is read. */
  #failure: HboneError | undefined;
  #abort: (() => void) | undefined;

  /** Made by `listenTunnels`, `dialTunnel` and `TunnelClient`. */
  constructor(stream: TunnelStream, origin: TunnelOrigin) {
    // With `autoDestroy` whoever iterates to the end would destroy the other direction too.
    super({ allowHalfOpen: true, autoDestroy: false });
    this.authority = origin.authority;
    this.#origin = origin;
    this.#stream = stream;
    this.on('error', () => {});
    const over = (): void => {
      if (this.readableEnded && this.writableFinished) this.destroy();
    };
    this.once('end', over);
    this.once('finish', over);
    // An object of its own: `writable` of `Duplex` is a property.
    stream.handler = {
      data: (memory, start, end) => this.#data(memory, start, end),
      ended: () => {
        this.#remoteEnded = true;
        this.push(null);
      },
      writable: () => this.#pump(),
      // In the turn of the answer nobody has the tunnel yet who could listen.
      failed: (failure) => void setImmediate(() => this.#failed(failure)),
    };
  }

  /** Header fields of the other end's request or response: lower-case names, several of a name joined by commas. */
  get headers(): ReadonlyMap<string, string> {
    return (this.#headers ??= headerMap(this.#origin.fields));
  }

  /** The other end's certificates as DER, leaf first. */
  get peerChain(): readonly Uint8Array[] {
    return this.#origin.secure.peerChain;
  }

  override get remote(): SocketAddress {
    return this.#origin.secure.remote;
  }

  override _read(): void {
    if (!this.#started) {
      this.#started = true;
      this.#stream.start();
    }
    this.#stream.credit(this.#uncredited);
    this.#uncredited = 0;
  }

  override _write(chunk: Uint8Array, _encoding: string, done: Done): void {
    // Nothing is kept for a chunk that leaves at once.
    if (chunk.length <= this.#stream.budget) {
      this.active();
      this.#stream.send(chunk, 0, chunk.length);
      done();
      return;
    }
    this.#writeAll([{ chunk }], done);
  }

  override _writev(chunks: readonly Chunk[], done: Done): void {
    this.#writeAll(chunks, done);
  }

  override _final(done: Done): void {
    if (this.#failure === undefined || this.#failure.http2Code === ErrorCode.NO_ERROR) {
      this.#stream.end();
      done();
    } else this.destroy(this.#failure);
  }

  override _destroy(error: Error | null, done: Done): void {
    if (this.#abort !== undefined) this.#abort();
    else if (error === null || error.name === 'AbortError') this.#stream.cancel();
    else this.#stream.reset(ErrorCode.CONNECT_ERROR);
    const written = this.#done;
    this.#chunks = NONE;
    this.#done = undefined;
    this.endIdleTimer();
    done(error);
    written?.(error ?? new HboneError('HBONE_CLOSED', `tunnel to ${this.authority}: destroyed`));
  }

  #take(abort: () => void): Taken | undefined {
    const used = this.#started || this.destroyed || this.writableEnded || this.writableLength > 0;
    // What came already is in the buffer of the stream, if that has failed.
    const buffered = this.readableLength > 0 || this.#remoteEnded;
    if (used || buffered || this.#failure !== undefined || this.#abort !== undefined) return undefined;
    this.#abort = abort;
    return { stream: this.#stream, engine: this.#origin.engine };
  }

  #data(memory: Uint8Array, start: number, end: number): void {
    this.active();
    this.#uncredited += end - start;
    if (!this.push(Buffer.from(memory.subarray(start, end)))) return;
    this.#stream.credit(this.#uncredited);
    this.#uncredited = 0;
  }

  #failed(failure: StreamFailure): void {
    if (this.destroyed || this.#abort !== undefined) return;
    const error = streamError(`tunnel to ${this.authority}`, failure);
    this.#failure = error;
    if (!this.#remoteEnded || this.readableEnded) {
      this.#fail(error);
      return;
    }
    // RFC 9113 8.1: a reset behind the end takes nothing from what came before.
    this.once('end', () => this.#fail(error));
    if (this.#done !== undefined) this.#pump();
  }

  #fail(error: HboneError): void {
    const clean = this.#remoteEnded && error.http2Code === ErrorCode.NO_ERROR && this.writableLength === 0;
    this.destroy(clean ? undefined : error);
  }

  #writeAll(chunks: readonly Chunk[], done: Done): void {
    this.#chunks = chunks;
    this.#index = 0;
    this.#at = 0;
    this.#done = done;
    this.#pump();
  }

  #pump(): void {
    const done = this.#done;
    if (done === undefined) return;
    if (this.#failure !== undefined) {
      // What the peer sent before is worth more than an early error, if there is anything of it.
      if (this.#failure.http2Code !== ErrorCode.NO_ERROR || this.readableLength === 0) this.destroy(this.#failure);
      return;
    }
    while (this.#index < this.#chunks.length) {
      const { budget } = this.#stream;
      if (budget <= 0) {
        this.#stream.wait();
        return;
      }
      this.#sendSome(budget);
    }
    this.#chunks = NONE;
    this.#done = undefined;
    done();
  }

  /** Sends a part of a large chunk, or several small ones as one. */
  #sendSome(budget: number): void {
    const { chunk } = this.#chunks[this.#index]!;
    const left = chunk.length - this.#at;
    if (left >= SMALL_BYTES || this.#index === this.#chunks.length - 1) {
      const bytes = Math.min(left, budget);
      this.active();
      this.#stream.send(chunk, this.#at, this.#at + bytes);
      this.#advance(bytes, chunk);
      return;
    }
    const room = Math.min(budget, GATHER_BYTES);
    let filled = 0;
    while (filled < room && this.#index < this.#chunks.length) {
      const next = this.#chunks[this.#index]!.chunk;
      if (next.length - this.#at >= SMALL_BYTES) break;
      const bytes = Math.min(next.length - this.#at, room - filled);
      gathered.set(next.subarray(this.#at, this.#at + bytes), filled);
      filled += bytes;
      this.#advance(bytes, next);
    }
    this.#stream.send(gathered, 0, filled);
  }

  #advance(bytes: number, chunk: Uint8Array): void {
    this.#at += bytes;
    if (this.#at < chunk.length) return;
    this.#at = 0;
    this.#index += 1;
  }
}

/**
 * Takes the stream from under a tunnel that nobody has read from; from then on only `destroy` means anything to it, which
 * calls `abort`. Undefined: not such a tunnel.
 */
export function takeStream(tunnel: Duplex, abort: () => void): Taken | undefined {
  return tunnel instanceof TunnelDuplex ? take(tunnel, abort) : undefined;
}
