import type { Fields } from '../core/contract.ts';
import { ErrorCode } from '../core/error-code.ts';
import type { ConnectionFailure, Engine, Secure } from '../engine.ts';
import { Link, type LinkOwner, type TunnelOptions } from './link.ts';
import { PING_INTERVAL_MS, PING_TIMEOUT_MS } from './liveness.ts';
import { ServerStream } from './tunnel-stream.ts';

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
   * A stream was asked for. Set `stream.handler` before this returns, so that an early reset is heard; answer with
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
    this.#handler.request(stream, {
      method: fieldValue(fields, ':method'),
      authority: fieldValue(fields, ':authority'),
      fields,
    });
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
    this.streamEnded();
  }

  /** For the link. */
  silent(): void {
    this.#link.codec.goaway(ErrorCode.NO_ERROR, false);
    this.#link.dismiss();
  }

  /** For the link. */
  streamEnded(): void {
    if (this.#drained && this.#link.streams.size === 0) this.#link.close();
  }

  /** For the link. */
  ended(): void {}

  /** For the link. */
  closed(failure: ConnectionFailure | undefined): void {
    if (failure === undefined) this.#handler.closed();
    else this.#handler.closed(failure);
  }
}

function fieldValue(fields: Fields, name: string): string {
  return fields.find((field) => field[0] === name)?.[1] ?? '';
}
