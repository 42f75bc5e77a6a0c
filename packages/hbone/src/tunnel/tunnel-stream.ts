import { Backlog } from '../core/backlog.ts';
import type { Fields } from '../core/contract.ts';
import { ErrorCode } from '../core/error-code.ts';
import type { Cancellable } from '../engine.ts';
import type { Link } from './link.ts';
import type { StreamFailure } from './stream-failure.ts';

/** What the owner of a stream is told. After `failed` nothing more comes. */
export interface StreamHandler {
  /** Bytes from the peer, lent for the call. They fill its window until `credit` gives them back. */
  data(memory: Uint8Array, start: number, end: number): void;
  /** The peer ended its side. */
  ended(): void;
  /** `budget` is positive again after `wait`. */
  writable(): void;
  failed(failure: StreamFailure): void;
}

/** What the opener of a stream is told: one of the two, once. */
export interface ClientStreamHandler {
  /** The response came. For 200 set `stream.handler` and `stream.start`; else `stream.cancel`. */
  response(stream: ClientStream, status: number, fields: Fields): void;
  /** The stream or its connection ended before a response, or it did not come in time. */
  failed(failure: StreamFailure): void;
}

const NOBODY: StreamHandler = { data: () => {}, ended: () => {}, writable: () => {}, failed: () => {} };

/**
 * One CONNECT stream. Bytes that come before `start` are kept (a stream window at most), so that the owner can first
 * connect elsewhere; failures come at any time.
 */
export class TunnelStream {
  readonly id: number;
  handler: StreamHandler = NOBODY;
  readonly #link: Link;
  /** Made when something comes before `start`. */
  #held: Backlog | undefined;
  #started = false;
  /** Bytes go straight to `handler`. */
  #flowing = false;
  #localEnded = false;
  #remoteEnded = false;
  #failure: StreamFailure | undefined;
  /** Who was told that the stream is gone, or gave it up; undefined: nobody yet. */
  #told: StreamHandler | undefined;

  constructor(link: Link, id: number) {
    this.#link = link;
    this.id = id;
  }

  /** We ended our side. */
  get localEnded(): boolean {
    return this.#localEnded;
  }

  /** The peer ended its side; `ended` may still be to come. */
  get remoteEnded(): boolean {
    return this.#remoteEnded;
  }

  /** Reset by either side, or its connection is gone. */
  get gone(): boolean {
    return this.#failure !== undefined;
  }

  /** Bytes that may be sent now: what the stream's and the connection's window and the TLS queue have room for. */
  get budget(): number {
    if (this.gone || this.#localEnded) return 0;
    return Math.max(0, Math.min(this.#link.codec.budget(this.id), this.#link.secure.room));
  }

  /**
   * Lets `data` and `ended` through to `handler`, what was kept first. A handler that came too late to hear that the stream
   * is gone is told at the end of the turn.
   */
  start(): void {
    if (this.#told !== undefined) this.#tellLate(this.#told);
    if (this.#started || this.#told !== undefined) return;
    this.#started = true;
    if (this.#held === undefined && !this.#remoteEnded) this.#flowing = true;
    else this.#link.engine.atEndOfTurn(() => this.#deliverHeld());
  }

  /** Sends bytes, at most `budget`. Lent memory is not copied. */
  send(memory: Uint8Array, start: number, end: number): void {
    if (!this.gone && !this.#localEnded) this.#link.sendData(this, memory, start, end);
  }

  /** Ends our side: END_STREAM. */
  end(): void {
    if (this.gone || this.#localEnded) return;
    this.#link.sendEnd(this);
    this.noteLocalEnd();
  }

  /** Asks for `writable` once `budget` allows to go on; streams of a connection take turns. */
  wait(): void {
    if (!this.gone && !this.#localEnded) this.#link.wait(this);
  }

  /** The application took `bytes` of what `data` brought: the peer may send as much more. */
  credit(bytes: number): void {
    if (!this.gone) this.#link.credit(this, bytes);
  }

  /**
   * Gives the stream up: RST_STREAM unless both sides have ended, and what was not credited goes back to the
   * connection. `code`: RFC 9113 7. No callback follows.
   */
  reset(code: number): void {
    if (this.#told !== undefined) return;
    this.handler = NOBODY;
    this.#told = NOBODY;
    if (this.gone) return;
    this.#failure = { kind: 'reset', code, local: true };
    this.#link.reset(this, code);
  }

  /** Gives the stream up as the reference does when it drops one: a server that had ended its side says NO_ERROR, else CANCEL. */
  cancel(): void {
    const server = this.#link.role === 'server';
    this.reset(server && this.#localEnded ? ErrorCode.NO_ERROR : ErrorCode.CANCEL);
  }

  /** For the connection: bytes or the end came. */
  receive(memory: Uint8Array, start: number, end: number, last: boolean): void {
    this.#remoteEnded ||= last;
    if (!this.#flowing) {
      if (end === start) return;
      this.#held ??= new Backlog();
      this.#held.copy(memory, start, end);
      return;
    }
    if (end > start) this.handler.data(memory, start, end);
    // The handler may have given the stream up.
    if (last && this.#told === undefined) this.handler.ended();
  }

  /** For the connection: the stream no longer exists, nothing may be sent on it; `fail` follows. */
  lose(failure: StreamFailure): void {
    this.#failure ??= failure;
  }

  /** For the connection: tells that the stream no longer exists. */
  fail(failure: StreamFailure): void {
    this.lose(failure);
    // What came before is the handler's, started or not: a peer may send all, end and close at once.
    if (!this.#flowing) this.#deliverHeld();
    if (this.#told !== undefined) return;
    this.#told = this.handler;
    this.handler.failed(failure);
  }

  /** For the connection: END_STREAM left, on DATA or on HEADERS. */
  noteLocalEnd(): void {
    this.#localEnded = true;
    this.#link.settle(this);
  }

  /** For the connection: END_STREAM was on the HEADERS. */
  noteRemoteEnd(): void {
    this.#remoteEnded = true;
  }

  #tellLate(told: StreamHandler): void {
    const { handler } = this;
    const failure = this.#failure;
    if (handler === told || failure === undefined) return;
    this.#told = handler;
    this.#link.engine.atEndOfTurn(() => handler.failed(failure));
  }

  #deliverHeld(): void {
    const held = this.#held;
    this.#held = undefined;
    if (this.#told !== undefined) return;
    this.#flowing = true;
    if (held !== undefined)
      for (const bytes of held.take()) {
        this.handler.data(bytes, 0, bytes.length);
        if (this.#told !== undefined) return;
      }
    if (this.#remoteEnded) this.handler.ended();
  }
}

/** A stream that a client opened. */
export class ClientStream extends TunnelStream {
  /** For the connection: hears of the response, or of the failure before it. */
  opener: ClientStreamHandler | undefined;
  /** For the connection: ends when the response comes. */
  deadline: Cancellable | undefined;

  override fail(failure: StreamFailure): void {
    const opener = this.#settle();
    if (opener !== undefined) this.handler = NOBODY;
    super.fail(failure);
    opener?.failed(failure);
  }

  override reset(code: number): void {
    this.#settle();
    super.reset(code);
  }

  /** For the connection: the response came. */
  responded(status: number, fields: Fields): void {
    this.#settle()?.response(this, status, fields);
  }

  /** The opener, if it waits still; from now on `handler` is told. */
  #settle(): ClientStreamHandler | undefined {
    const { opener } = this;
    this.opener = undefined;
    this.deadline?.cancel();
    this.deadline = undefined;
    return opener;
  }
}

/** A stream that a client asked of us. */
export class ServerStream extends TunnelStream {
  readonly #link: Link;

  constructor(link: Link, id: number) {
    super(link, id);
    this.#link = link;
  }

  /**
   * Answers the request. `last`: nothing follows (every status but 200): END_STREAM, and RST_STREAM(NO_ERROR) when the
   * peer's side is still open. Throws RangeError for malformed fields.
   */
  respond(status: number, fields: Fields, { last }: { readonly last: boolean }): void {
    if (this.gone || this.localEnded) return;
    this.#link.respond(this, [[':status', String(status)], ...fields], last);
    if (!last) return;
    this.noteLocalEnd();
    this.reset(ErrorCode.NO_ERROR);
  }
}
