import type { Fields } from '../core/contract.ts';
import type { Cancellable } from '../engine.ts';
import { HboneError } from '../errors.ts';
import type { NodeEngine } from '../node-engine/engine.ts';
import type { ClientConnection } from '../tunnel/client-connection.ts';
import { requireRequestFields } from '../tunnel/request-fields.ts';
import type { StreamFailure } from '../tunnel/stream-failure.ts';
import type { Dial, PoolStreamHandler, TunnelPool } from '../tunnel/tunnel-pool.ts';
import type { ClientStream } from '../tunnel/tunnel-stream.ts';
import { TunnelDuplex } from './tunnel-duplex.ts';
import { type DialFailure, dialError, streamError, unwelcomeError } from './tunnel-error.ts';
import { headerMap, malformedField, renderHeaders, type TunnelHeaders } from './tunnel-headers.ts';

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

/** The form that `dialTunnel` and `open` ask for; servers may see others. */
const AUTHORITY_PORT = /^[^:].*:(\d{1,5})$/;
const LAST_PORT = 65_535;
/** Of an authority in a message. */
const SHOWN_CHARACTERS = 100;

/** The header fields of a request. Throws HBONE_REQUEST_INVALID. */
export function requestFields(authority: string, headers?: TunnelHeaders): Fields {
  const shown = authority.length > SHOWN_CHARACTERS ? `${authority.slice(0, SHOWN_CHARACTERS)}…` : authority;
  const invalid = (text: string, cause?: unknown): HboneError =>
    new HboneError('HBONE_REQUEST_INVALID', `CONNECT ${shown}: ${text}`, { cause });
  const port = AUTHORITY_PORT.exec(authority)?.[1];
  if (port === undefined) throw invalid('an authority is host:port, and an IPv6 address is in brackets');
  if (Number(port) < 1 || Number(port) > LAST_PORT) throw invalid(`port ${port} is not one of 1 to ${LAST_PORT}`);
  const fields: Fields = [[':method', 'CONNECT'], [':authority', authority], ...renderHeaders(headers)];
  try {
    requireRequestFields(fields);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    const bad = malformedField(fields.slice(2));
    if (bad !== undefined) throw invalid(`header field ${bad} is malformed, or not allowed in HTTP/2`, cause);
    const tooLong = cause.message.includes('octets');
    throw invalid(
      tooLong ? cause.message : 'the authority is malformed: it is host:port, an IPv6 address in brackets',
      cause,
    );
  }
  return fields;
}

/** Opens a tunnel; rejects with an `HboneError` or the signal's reason. */
export async function openTunnel(opening: TunnelOpening): Promise<TunnelDuplex> {
  opening.signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const pending = new PendingTunnel(opening, resolve, reject);
    pending.start();
  });
}

/** How a connection ends that the other end did not want. */
const ENDINGS: ReadonlySet<string> = new Set(['EOF', 'EPIPE', 'ECONNRESET']);

class PendingTunnel implements PoolStreamHandler {
  readonly #opening: TunnelOpening;
  readonly #what: string;
  readonly #resolve: (tunnel: TunnelDuplex) => void;
  readonly #reject: (error: Error) => void;
  #dialling: Cancellable | undefined;
  #stream: ClientStream | undefined;
  #connection: ClientConnection | undefined;
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
    this.#connection = connection;
    const { responseTimeoutMs } = this.#opening;
    this.#timer = setTimeout(() => {
      this.#giveUp(new HboneError('HBONE_REQUEST_TIMEOUT', `${this.#what}: no answer in ${responseTimeoutMs} ms`));
    }, responseTimeoutMs);
  }

  response(stream: ClientStream, status: number, fields: Fields): void {
    this.#settle();
    const { engine, authority } = this.#opening;
    if (isSuccess(status) && this.#connection !== undefined) {
      this.#resolve(new TunnelDuplex(stream, { engine, secure: this.#connection.secure, authority, fields }));
      return;
    }
    stream.cancel();
    this.#reject(
      new HboneError('HBONE_REQUEST_REFUSED', `${this.#what}: status ${status}`, {
        status,
        headers: headerMap(fields),
      }),
    );
  }

  failed(failure: StreamFailure): void {
    this.#settle();
    // A server says SETTINGS first of all. One that refuses our certificate ends the connection instead.
    const unwelcome = failure.kind === 'connection' && this.#connection?.greeted === false;
    if (unwelcome && ENDINGS.has(failure.failure.code)) this.#reject(unwelcomeError(this.#what, failure.failure));
    else this.#reject(streamError(this.#what, failure));
  }

  dialFailed(failure: DialFailure): void {
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
