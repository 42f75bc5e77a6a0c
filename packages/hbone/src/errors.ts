import type { PeerRefusal } from './node/verify-peer.ts';

/** Stable names of what can go wrong; new ones may be added in a minor version. */
export type HboneErrorCode =
  /** The client or listener was closed or aborted by its owner. */
  | 'HBONE_CLOSED'
  /** The connection under a tunnel ended, in an orderly way or not. */
  | 'HBONE_CONNECTION_LOST'
  /** Certificate, key or roots cannot be read or do not belong together. */
  | 'HBONE_CREDENTIALS_INVALID'
  /** Listener: the address that `route` named cannot be connected to. */
  | 'HBONE_DESTINATION_FAILED'
  /** No TCP connection to the other end. */
  | 'HBONE_DIAL_FAILED'
  /** TLS failed; a certificate was refused by either side, or it took too long. */
  | 'HBONE_HANDSHAKE_FAILED'
  /** The port cannot be listened on. */
  | 'HBONE_LISTEN_FAILED'
  /** An option is out of its range. */
  | 'HBONE_OPTIONS_INVALID'
  /** Listener: a connection was given up because there were too many. Client: too many wait for the same connection. */
  | 'HBONE_OVERLOADED'
  /** `relay`: one of the two ends was reset or lost; the message says which. */
  | 'HBONE_RELAY_FAILED'
  /** The authority or a header field is malformed. */
  | 'HBONE_REQUEST_INVALID'
  /** The answer was another status than 2xx; `status` has it. */
  | 'HBONE_REQUEST_REFUSED'
  /** No answer in time. */
  | 'HBONE_REQUEST_TIMEOUT'
  /** Listener: `route` or `accept` threw, or answered nonsense. */
  | 'HBONE_ROUTE_FAILED'
  /** RST_STREAM ended the tunnel; `http2Code` has the reason. */
  | 'HBONE_STREAM_RESET';

/** What an `HboneError` says beside its code and message. */
export interface HboneErrorDetails extends ErrorOptions {
  readonly retryable?: boolean | undefined;
  readonly http2Code?: number | undefined;
  readonly status?: number | undefined;
  readonly headers?: ReadonlyMap<string, string> | undefined;
  readonly refusal?: PeerRefusal | undefined;
}

/**
 * Failure of a tunnel. Branch on `code` (stable, semver); the message is for people and may change. Where the mesh has
 * words of its own for it, they are the message of `cause`.
 */
export class HboneError extends Error {
  override readonly name = 'HboneError';
  readonly code: HboneErrorCode;
  /** The other end certainly did nothing about the request: to make it again is safe. */
  readonly retryable: boolean;
  /** Of HBONE_STREAM_RESET: the error code of RFC 9113 7. */
  readonly http2Code: number | undefined;
  /** Of HBONE_REQUEST_REFUSED: the status. */
  readonly status: number | undefined;
  /** Of HBONE_REQUEST_REFUSED: the answer's regular fields, lower-case names, several of a name joined by commas. */
  readonly headers: ReadonlyMap<string, string> | undefined;
  /** Of HBONE_HANDSHAKE_FAILED: what our `verify` said about the peer. */
  readonly refusal: PeerRefusal | undefined;

  constructor(code: HboneErrorCode, message: string, details: HboneErrorDetails = {}) {
    super(message, details);
    this.code = code;
    this.retryable = details.retryable ?? false;
    this.http2Code = details.http2Code;
    this.status = details.status;
    this.headers = details.headers;
    this.refusal = details.refusal;
  }
}
