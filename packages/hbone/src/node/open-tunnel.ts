import type { Fields } from '../core/contract.ts';
import { evaluateRequest } from '../core/request.ts';
import type { Cancellable, ConnectionFailure, Secure } from '../engine.ts';
import { HboneError } from '../errors.ts';
import type { NodeEngine } from '../node-engine/engine.ts';
import type { ClientConnection } from '../tunnel/client-connection.ts';
import type { StreamFailure } from '../tunnel/stream-failure.ts';
import type { Dial, PoolStreamHandler, TunnelPool } from '../tunnel/tunnel-pool.ts';
import type { ClientStream } from '../tunnel/tunnel-stream.ts';
import { TunnelDuplex } from './tunnel-duplex.ts';
import { dialError, streamError } from './tunnel-error.ts';
import { renderHeaders, type TunnelHeaders } from './tunnel-headers.ts';

/** One tunnel to be opened on a connection of a pool. */
export interface TunnelOpening {
  readonly engine: NodeEngine;
  readonly pool: TunnelPool;
  readonly key: string;
  readonly dial: Dial;
  readonly authority: string;
  readonly fields: Fields;
  readonly responseTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** The header fields of a request. Throws HBONE_REQUEST_INVALID. */
export function requestFields(authority: string, headers?: TunnelHeaders): Fields {
  let reason = 'malformed authority or header field';
  try {
    const fields: Fields = [[':method', 'CONNECT'], [':authority', authority], ...renderHeaders(headers)];
    if (evaluateRequest(fields) !== undefined) return fields;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    reason = error.message;
  }
  throw new HboneError('HBONE_REQUEST_INVALID', `CONNECT ${authority}: ${reason} (an authority is host:port)`);
}

/** Opens a tunnel; rejects with an `HboneError` or the signal's reason. */
export async function openTunnel(opening: TunnelOpening): Promise<TunnelDuplex> {
  opening.signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const pending = new PendingTunnel(opening, resolve, reject);
    pending.start();
  });
}

class PendingTunnel implements PoolStreamHandler {
  readonly #opening: TunnelOpening;
  readonly #what: string;
  readonly #resolve: (tunnel: TunnelDuplex) => void;
  readonly #reject: (error: Error) => void;
  #dialling: Cancellable | undefined;
  #stream: ClientStream | undefined;
  #secure: Secure | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(opening: TunnelOpening, resolve: (tunnel: TunnelDuplex) => void, reject: (error: Error) => void) {
    this.#opening = opening;
    this.#what = `CONNECT ${opening.authority}`;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(): void {
    const { pool, key, dial, fields, signal } = this.#opening;
    signal?.addEventListener('abort', this.#aborted);
    this.#dialling = pool.open({ key, dial, fields }, this);
  }

  opened(stream: ClientStream, connection: ClientConnection): void {
    this.#stream = stream;
    this.#secure = connection.secure;
    const { responseTimeoutMs } = this.#opening;
    this.#timer = setTimeout(() => {
      this.#giveUp(new HboneError('HBONE_REQUEST_TIMEOUT', `${this.#what}: no answer in ${responseTimeoutMs} ms`));
    }, responseTimeoutMs);
  }

  response(stream: ClientStream, status: number, fields: Fields): void {
    this.#settle();
    const { engine, authority } = this.#opening;
    if (isSuccess(status) && this.#secure !== undefined) {
      this.#resolve(new TunnelDuplex(stream, { engine, secure: this.#secure, authority, fields }));
      return;
    }
    stream.cancel();
    this.#reject(new HboneError('HBONE_REQUEST_REFUSED', `${this.#what}: status ${status}`, { status }));
  }

  failed(failure: StreamFailure): void {
    this.#settle();
    this.#reject(streamError(this.#what, failure));
  }

  dialFailed(failure: ConnectionFailure): void {
    this.#settle();
    this.#reject(dialError(this.#what, failure));
  }

  readonly #aborted = (): void => {
    const reason: unknown = this.#opening.signal?.reason;
    this.#giveUp(reason instanceof Error ? reason : new Error(String(reason)));
  };

  #giveUp(error: Error): void {
    this.#settle();
    this.#dialling?.cancel();
    this.#stream?.cancel();
    this.#reject(error);
  }

  #settle(): void {
    clearTimeout(this.#timer);
    this.#opening.signal?.removeEventListener('abort', this.#aborted);
  }
}

/** RFC 9110 9.3.6 */
function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}
