import type { ConnectionFailure } from '../engine.ts';
import { HboneError } from '../errors.ts';
import { isRetryable, type StreamFailure, streamFailureText } from '../tunnel/stream-failure.ts';

/** A failed stream as an error; `what` stands before the reason. */
export function streamError(what: string, failure: StreamFailure): HboneError {
  if (failure.kind === 'connection') return connectionError(what, failure.failure);
  const text = `${what}: ${streamFailureText(failure)}`;
  if (failure.kind === 'timeout') return new HboneError('HBONE_REQUEST_TIMEOUT', text);
  return new HboneError('HBONE_STREAM_RESET', text, { http2Code: failure.code, retryable: isRetryable(failure) });
}

/** A connection that ended under its streams. */
export function connectionError(what: string, { code, message }: ConnectionFailure): HboneError {
  // A TLS 1.3 client hears only now that its certificate was refused.
  if (code === 'TLS') return new HboneError('HBONE_HANDSHAKE_FAILED', `${what}: TLS: ${message}`, { retryable: true });
  return new HboneError(code === 'ABORTED' ? 'HBONE_CLOSED' : 'HBONE_CONNECTION_LOST', `${what}: ${message}`);
}

/** A connection that never came to be. */
export function dialError(what: string, { code, message }: ConnectionFailure): HboneError {
  if (code === 'ABORTED') return new HboneError('HBONE_CLOSED', `${what}: ${message}`);
  // The pool's own bound.
  if (code === 'EAGAIN') return new HboneError('HBONE_OVERLOADED', `${what}: ${message}`, { retryable: true });
  const tls = code === 'TLS';
  return new HboneError(tls ? 'HBONE_HANDSHAKE_FAILED' : 'HBONE_DIAL_FAILED', `${what}: ${message}`, {
    retryable: true,
  });
}
