import type { ConnectionFailure } from '../engine.ts';
import { HboneError } from '../errors.ts';
import { isRetryable, type StreamFailure, streamFailureText } from '../tunnel/stream-failure.ts';
import { connectionText, handshakeText, type Peer, resetText } from './plain-words.ts';
import type { PeerRefusal } from './verify-peer.ts';

/** A connection that never came to be. */
export interface DialFailure extends ConnectionFailure {
  /** Nobody was found unfit: another attempt may succeed. */
  readonly retryable?: boolean;
  /** What `verify` said. */
  readonly refusal?: PeerRefusal;
}

/** A failed stream as an error; `what` stands before the reason. */
export function streamError(what: string, failure: StreamFailure): HboneError {
  if (failure.kind === 'connection') return connectionError(what, 'server', failure.failure);
  const cause = new Error(streamFailureText(failure));
  if (failure.kind === 'timeout')
    return new HboneError('HBONE_REQUEST_TIMEOUT', `${what}: no answer in time`, { cause });
  const retryable = isRetryable(failure);
  return new HboneError('HBONE_STREAM_RESET', `${what}: ${resetText(failure)}`, {
    http2Code: failure.code,
    retryable,
    cause,
  });
}

/** A connection that ended under its streams. */
export function connectionError(what: string, peer: Peer, failure: ConnectionFailure): HboneError {
  const cause = new Error(failure.message);
  // A TLS 1.3 client hears only now that its certificate was refused.
  if (failure.code === 'TLS')
    return new HboneError('HBONE_HANDSHAKE_FAILED', `${what}: ${handshakeText(peer, failure)}`, { cause });
  const code = failure.code === 'ABORTED' ? 'HBONE_CLOSED' : 'HBONE_CONNECTION_LOST';
  return new HboneError(code, `${what}: ${connectionText(failure)}`, { cause });
}

/** A connection that the server ended before it said a word of HTTP/2. */
export function unwelcomeError(what: string, failure: ConnectionFailure): HboneError {
  const text = `${what}: the connection ended right after the handshake: was our certificate refused?`;
  return new HboneError('HBONE_HANDSHAKE_FAILED', text, { cause: new Error(failure.message) });
}

/** A handshake of the accepting side. */
export function handshakeError(failure: ConnectionFailure, refusal: PeerRefusal | undefined): HboneError {
  const text = handshakeText('client', failure, refusal);
  return new HboneError('HBONE_HANDSHAKE_FAILED', text, { refusal, cause: new Error(failure.message) });
}

/** A connection that never came to be. */
export function dialError(what: string, failure: DialFailure): HboneError {
  const { code, message, refusal, retryable = code !== 'TLS' } = failure;
  if (code === 'ABORTED') return new HboneError('HBONE_CLOSED', `${what}: the client was closed`);
  // The pool's own bound.
  if (code === 'EAGAIN') return new HboneError('HBONE_OVERLOADED', `${what}: ${message}`, { retryable });
  if (code !== 'TLS') return new HboneError('HBONE_DIAL_FAILED', `${what}: ${message}`, { retryable });
  const text = `${what}: ${handshakeText('server', failure, refusal)}`;
  return new HboneError('HBONE_HANDSHAKE_FAILED', text, { retryable, refusal, cause: new Error(message) });
}
