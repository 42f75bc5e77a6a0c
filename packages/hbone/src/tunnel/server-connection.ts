import type { Fields } from '../core/contract.ts';
import { ErrorCode } from '../core/error-code.ts';
import type { Cancellable, ConnectionFailure, Engine, Secure } from '../engine.ts';
import { Link, type LinkOwner, type TunnelOptions } from './link.ts';
import { PING_INTERVAL_MS, PING_TIMEOUT_MS } from './liveness.ts';
import { tellEach } from './tell-each.ts';
import { ServerStream, type TunnelStream } from './tunnel-stream.ts';

/**
 * Requests of one connection that are told of in one turn; more wait for the next. Each is work of 0.1 ms or so for its owner
 * (policy, log, dial), one read brings a thousand, and the other connections of the thread wait meanwhile.
 */
export const MOST_REQUESTS_A_TURN = 32;

/** A well-formed request; whether it is wanted is the handler's to say. */
export interface TunnelRequest {
  readonly method: string;
  /** Empty when the request had none (only other methods than CONNECT may). */
  readonly authority: string;
  /** All fields in order, pseudo fields too. */
  readonly fields: Fields;
}

export interface ServerConnectionHandler {
  /**
   * A stream was asked for. One that the peer resets before it was its turn is never told of (CVE-2023-44487). Set `stream.handler` before this returns, so that an early reset is heard; answer with
   * `stream.respond` now or later, and `stream.start` to have its bytes.
   */
  request(stream: ServerStream, request: TunnelRequest): void;
  /** The connection is gone and every stream was told. Undefined: in an orderly way. */
  closed(failure?: ConnectionFailure): void;
}

/** The accepting end of a tunnel connection, from the moment its TLS connection is established. */
export class ServerConnection implements LinkOwner {
  readonly #link: Link;
  readonly #handler: ServerConnectionHandler;
  /** Requests that are for another turn, in order. */
  #waiting: Map<ServerStream, Fields> | undefined;
  #nextTurn: Cancellable | undefined;
  /** Told of in this turn. */
  #told = 0;
  #draining = false;
  /** The GOAWAY with the real last id was sent. */
  #drained = false;

  /** Takes over `secure`, whose handler it becomes. */
  constructor(engine: Engine, secure: Secure, handler: ServerConnectionHandler, options: TunnelOptions = {}) {
    this.#handler = handler;
    const liveness = { pingIntervalMs: PING_INTERVAL_MS, pingTimeoutMs: PING_TIMEOUT_MS };
    this.#link = new Link(engine, secure, this, 'server', { liveness, ...options });
  }

  get secure(): Secure {
    return this.#link.secure;
  }

  get streamCount(): number {
    return this.#link.streams.size;
  }

  /**
   * Graceful GOAWAY (last id 2^31-1, then the real one once the peer has answered a PING); closes when the last stream
   * has ended. Idempotent. hbone.md §7
   */
  drain(): void {
    if (this.#draining || this.#link.closed) return;
    this.#draining = true;
    this.#link.codec.goaway(ErrorCode.NO_ERROR, true);
    this.#link.ping();
  }

  /** GOAWAY, and the end once what is queued has left, which must be soon; streams fail with `failure` now. */
  dismiss(failure: ConnectionFailure): void {
    if (this.#link.closed) return;
    this.#link.codec.goaway(ErrorCode.NO_ERROR, false);
    this.#link.dismiss(failure);
  }

  /** Cuts the connection; streams fail with `ABORTED`, or with the given failure. */
  abort(failure?: ConnectionFailure): void {
    this.#link.abort(failure);
  }

  /** For the link. */
  headers(id: number, fields: Fields, last: boolean): void {
    const stream = new ServerStream(this.#link, id);
    if (last) stream.noteRemoteEnd();
    this.#link.streams.set(id, stream);
    if (this.#waiting === undefined && this.#told < MOST_REQUESTS_A_TURN) return this.#tell(stream, fields);
    if (this.#waiting === undefined) this.#tellWaitingLater();
    this.#waiting ??= new Map();
    this.#waiting.set(stream, fields);
  }

  /** For the link: a client's GOAWAY changes nothing; it closes when it is done. */
  goaway(): void {}

  /** For the link. */
  settings(): void {}

  /** For the link: the peer has seen the graceful GOAWAY, so no request can be on its way that it thinks we take. */
  pong(): void {
    if (!this.#draining || this.#drained) return;
    this.#drained = true;
    this.#link.codec.goaway(ErrorCode.NO_ERROR, false);
    this.#link.touch();
    this.#closeIfDrained();
  }

  /** For the link. */
  silent(): void {
    this.#link.codec.goaway(ErrorCode.NO_ERROR, false);
    this.#link.dismiss();
  }

  /** For the link. */
  streamEnded(stream: TunnelStream): void {
    if (stream instanceof ServerStream) this.#waiting?.delete(stream);
    this.#closeIfDrained();
  }

  #closeIfDrained(): void {
    if (this.#drained && this.#link.streams.size === 0) this.#link.close();
  }

  /** For the link. */
  ended(): void {
    this.#waiting?.clear();
    this.#nextTurn?.cancel();
  }

  /** For the link. */
  closed(failure: ConnectionFailure | undefined): void {
    if (failure === undefined) this.#handler.closed();
    else this.#handler.closed(failure);
  }

  #tell(stream: ServerStream, fields: Fields): void {
    if (this.#told++ === 0) this.#link.engine.atEndOfTurn(this.#turnOver);
    this.#handler.request(stream, {
      method: fieldValue(fields, ':method'),
      authority: fieldValue(fields, ':authority'),
      fields,
    });
  }

  readonly #turnOver = (): void => {
    this.#told = 0;
  };

  #tellWaitingLater(): void {
    this.#nextTurn = this.#link.engine.after(0, this.#tellWaiting);
  }

  /** Those that have waited longest; all that come meanwhile are behind them. */
  readonly #tellWaiting = (): void => {
    const waiting = this.#waiting ?? new Map<ServerStream, Fields>();
    const next = [...waiting].slice(0, MOST_REQUESTS_A_TURN);
    for (const [stream] of next) waiting.delete(stream);
    if (waiting.size > 0) this.#tellWaitingLater();
    else this.#waiting = undefined;
    tellEach(next, ([stream, fields]) => {
      // One of them may have ended the connection.
      if (!stream.gone) this.#tell(stream, fields);
    });
  };
}

function fieldValue(fields: Fields, name: string): string {
  return fields.find((field) => field[0] === name)?.[1] ?? '';
}
