import { ErrorCode } from '../core/error-code.ts';
import type { ConnectionFailure } from '../engine.ts';

/** Why a stream ended other than by both sides ending it. */
export type StreamFailure =
  /** RST_STREAM came, or the codec had to send one (`local`). `code`: RFC 9113 7. */
  | { readonly kind: 'reset'; readonly code: number; readonly local: boolean }
  /** The connection under it ended. */
  | { readonly kind: 'connection'; readonly failure: ConnectionFailure }
  /** The response did not come in the time that `open` gave it. */
  | { readonly kind: 'timeout'; readonly failure: ConnectionFailure };

/** The peer took none of the request, so that it may be sent again elsewhere: REFUSED_STREAM, or above GOAWAY's last id. RFC 9113 8.7 */
export function isRetryable(failure: StreamFailure): boolean {
  return failure.kind === 'reset' && failure.code === ErrorCode.REFUSED_STREAM && !failure.local;
}

/** The peer closed the connection in an orderly way, or our server side did so for it. */
export const CONNECTION_ENDED: ConnectionFailure = { code: 'EOF', message: 'stream closed because of a broken pipe' };
/** The peer's end was a FIN without close_notify, in the words of the reference's TLS. An end all the same: hbone.md §5. */
export const CONNECTION_UNANNOUNCED: ConnectionFailure = {
  code: 'EOF',
  message:
    'peer closed connection without sending TLS close_notify: ' +
    'https://docs.rs/rustls/latest/rustls/manual/_03_howto/index.html#unexpected-eof',
};
/** We dropped the connection because the peer no longer answers. */
export const CONNECTION_DROPPED: ConnectionFailure = { code: 'EPIPE', message: CONNECTION_ENDED.message };
/** The owner cut the connection. */
export const CONNECTION_ABORTED: ConnectionFailure = { code: 'ABORTED', message: 'connection aborted' };
/** A response did not come in time. */
export const RESPONSE_TIMED_OUT: ConnectionFailure = { code: 'ETIMEDOUT', message: 'deadline has elapsed' };

/** Rust's names of what befalls a connection. */
const IO_KINDS: Readonly<Record<string, string>> = {
  ECONNRESET: 'ConnectionReset',
  ECONNABORTED: 'ConnectionAborted',
  EPIPE: 'BrokenPipe',
  ENOTCONN: 'NotConnected',
  ETIMEDOUT: 'TimedOut',
  EHOSTUNREACH: 'HostUnreachable',
  ENETUNREACH: 'NetworkUnreachable',
};

/** RFC 9113 7, in the reference's words; the index is the code. */
const REASONS = [
  'not a result of an error',
  'unspecific protocol error detected',
  'unexpected internal error encountered',
  'flow-control protocol violated',
  'settings ACK not received in timely manner',
  'received frame when stream half-closed',
  'frame with invalid size',
  'refused stream before processing any application logic',
  'stream no longer needed',
  'unable to maintain the header compression context',
  'connection established in response to a CONNECT request was reset or abnormally closed',
  'detected excessive load generating behavior',
  'security properties do not meet minimum requirements',
  'endpoint requires HTTP/1.1',
] as const;

/**
 * The failure of a connection as the reference's own log prints it, for operators who search for that (ztunnel.md §12): in
 * the debug format of its HTTP/2 library.
 */
export function connectionFailureDebug({ code, message }: ConnectionFailure): string {
  if (code === 'HTTP2') {
    const reason = Object.entries(ErrorCode).find(([, number]) => message.endsWith(`: ${errorCodeText(number)}`));
    return `Error { kind: GoAway(b"", ${reason?.[0] ?? 'PROTOCOL_ERROR'}, Library) }`;
  }
  const kind = code === 'EOF' ? 'UnexpectedEof' : 'InvalidData';
  if (code === 'EOF' || code === 'TLS')
    return `Error { kind: Io(Custom { kind: ${kind}, error: ${JSON.stringify(message)} }) }`;
  return `Error { kind: Io(Kind(${IO_KINDS[code] ?? 'Other'})) }`;
}

/** An error code of HTTP/2 in words. */
export function errorCodeText(code: number): string {
  return REASONS[code] ?? 'unknown reason';
}

/** The failure in the words of the access log, for behind `h2 failed: ` or `io error: ` (ztunnel.md §11.1). */
export function streamFailureText(failure: StreamFailure): string {
  if (failure.kind === 'reset')
    return `stream error ${failure.local ? 'detected' : 'received'}: ${errorCodeText(failure.code)}`;
  return failure.failure.code === 'ECONNRESET' ? 'connection reset' : failure.failure.message;
}
