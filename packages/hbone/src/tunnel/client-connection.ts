import type { Fields } from '../core/contract.ts';
import { ErrorCode } from '../core/error-code.ts';
import type { ConnectionFailure, Engine, Secure } from '../engine.ts';
import { Link, type LinkOwner, type TunnelOptions } from './link.ts';
import { PING_INTERVAL_MS, PING_TIMEOUT_MS } from './liveness.ts';
import { CONNECTION_DROPPED, RESPONSE_TIMED_OUT } from './stream-failure.ts';
import { ClientStream, type ClientStreamHandler } from './tunnel-stream.ts';

export interface OpenOptions {
  /**
   * Milliseconds in which the response must come; without it there is no limit (hbone.md §6). Too late: the stream is
   * reset with CANCEL and `failed` tells a `timeout`.
   */
  readonly timeoutMs?: number;
}

export interface ClientConnectionHandler {
  /** The connection is gone and every stream was told. Undefined: in an orderly way. */
  closed(failure?: ConnectionFailure): void;
  /**
   * The connection takes and brings nothing more; its streams are told next, and `closed` follows when what is queued has
   * left or its time is over. Undefined: in an orderly way.
   */
  ended?(failure?: ConnectionFailure): void;
  /** The peer no longer answers PINGs; `closed` follows. */
  silent?(): void;
  /** The peer's first SETTINGS came: from now on `peerMaxStreams` is its word. */
  greeted?(): void;
}

/** The dialling end of a tunnel connection, from the moment its TLS connection is established. */
export class ClientConnection implements LinkOwner {
  readonly #link: Link;
  readonly #handler: ClientConnectionHandler;
  #refusing = false;
  /** The peer has said that it goes away, for no fault. */
  #sentAway = false;
  #closing = false;
  #greeted = false;

  /** Takes over `secure`, whose handler it becomes. */
  constructor(engine: Engine, secure: Secure, handler: ClientConnectionHandler, options: TunnelOptions = {}) {
    this.#handler = handler;
    const liveness = { pingIntervalMs: PING_INTERVAL_MS, pingTimeoutMs: PING_TIMEOUT_MS };
    this.#link = new Link(engine, secure, this, 'client', { liveness, ...options });
  }

  get secure(): Secure {
    return this.#link.secure;
  }

  get streamCount(): number {
    return this.#link.streams.size;
  }

  /** The peer's SETTINGS came, which it says first of all. */
  get greeted(): boolean {
    return this.#greeted;
  }

  /** Streams the peer allows at once; 100 until its SETTINGS came, then what they say (perhaps infinite). */
  get peerMaxStreams(): number {
    return this.#link.codec.maxConcurrentStreams;
  }

  /** Whether `open` may succeed: no GOAWAY seen, not closing or closed, and the peer's limit not reached. */
  get usable(): boolean {
    return !this.#refusing && !this.#closing && !this.#link.closed && this.streamCount < this.peerMaxStreams;
  }

  /** Sends a CONNECT request; undefined when no stream may be opened. Throws RangeError for malformed fields. */
  open(fields: Fields, handler: ClientStreamHandler, options?: OpenOptions): ClientStream | undefined {
    if (!this.usable) return undefined;
    const id = this.#link.codec.request(fields);
    if (id === 0) return undefined;
    const stream = new ClientStream(this.#link, id);
    stream.opener = handler;
    if (options?.timeoutMs !== undefined)
      stream.deadline = this.#link.engine.after(options.timeoutMs, () => {
        stream.reset(ErrorCode.CANCEL);
        handler.failed({ kind: 'timeout', failure: RESPONSE_TIMED_OUT });
      });
    this.#link.streams.set(id, stream);
    this.#link.touch();
    return stream;
  }

  /** Opens no more streams; GOAWAY and close when the last one has ended, at once if none is open. Idempotent. */
  close(): void {
    this.#closing = true;
    this.streamEnded();
  }

  /** Cuts the connection; streams fail with `ABORTED`, or with the given failure. */
  abort(failure?: ConnectionFailure): void {
    this.#link.abort(failure);
  }

  /** For the link: the response. */
  headers(id: number, fields: Fields, last: boolean): void {
    const stream = this.#link.streams.get(id);
    if (!(stream instanceof ClientStream)) return;
    if (last) stream.noteRemoteEnd();
    stream.responded(Number(fields.find((field) => field[0] === ':status')?.[1]), fields);
    if (last) this.#link.settle(stream);
  }

  /** For the link. */
  goaway(code: number): void {
    this.#refusing = true;
    this.#sentAway ||= code === ErrorCode.NO_ERROR;
    // Refused streams are reported after this event.
    this.#link.engine.atEndOfTurn(() => this.streamEnded());
  }

  /** For the link. */
  settings(): void {
    if (this.#greeted) return;
    this.#greeted = true;
    this.#handler.greeted?.();
  }

  /** For the link. */
  pong(): void {}

  /** For the link. */
  silent(): void {
    this.#handler.silent?.();
    this.#link.abort(CONNECTION_DROPPED);
  }

  /** For the link. */
  streamEnded(): void {
    if (!(this.#closing || this.#refusing) || this.#link.closed || this.#link.streams.size > 0) return;
    this.#link.codec.goaway(ErrorCode.NO_ERROR, false);
    this.#link.close();
  }

  /** For the link. */
  ended(failure: ConnectionFailure | undefined): void {
    if (this.#isOrderly(failure)) this.#handler.ended?.();
    else this.#handler.ended?.(failure);
  }

  /** For the link. */
  closed(failure: ConnectionFailure | undefined): void {
    if (this.#isOrderly(failure)) this.#handler.closed();
    else this.#handler.closed(failure);
  }

  /** Who has said GOAWAY may leave without close_notify: the reference does when its time is over. */
  #isOrderly(failure: ConnectionFailure | undefined): failure is undefined {
    return failure === undefined || (this.#sentAway && failure.code === 'EOF');
  }
}
