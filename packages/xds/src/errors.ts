import type { GrpcStatus } from './grpc-status.ts';

/** Stable names of what can go wrong; new ones may be added in a minor version. */
export type XdsErrorCode =
  /** An option makes no sense: address, root certificate, header. */
  | 'XDS_CONFIG_INVALID'
  /** No bearer token, or one that cannot be sent. */
  | 'XDS_TOKEN_UNAVAILABLE'
  /** No TLS connection to the server within the time: not there, not trusted, of another name. */
  | 'XDS_CONNECT_FAILED'
  /** The call ended with a gRPC status other than OK; see `grpcStatus`. Also thrown by a server's callbacks to answer with one. */
  | 'XDS_CALL_FAILED'
  /** The client or server was closed. */
  | 'XDS_CLOSED'
  /** The server cannot listen. */
  | 'XDS_LISTEN_FAILED';

/** What an {@link XdsError} may carry besides code and message. */
export interface XdsErrorOptions extends ErrorOptions {
  readonly grpcStatus?: GrpcStatus;
  readonly grpcMessage?: string;
}

/** Failure of this package. Branch on `code` (stable, semver); the message is for people and may change. */
export class XdsError extends Error {
  override readonly name = 'XdsError';
  readonly code: XdsErrorCode;
  /** Set for XDS_CALL_FAILED. */
  readonly grpcStatus: GrpcStatus | undefined;
  /** What the other side said about `grpcStatus`. */
  readonly grpcMessage: string | undefined;

  constructor(code: XdsErrorCode, message: string, options: XdsErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.grpcStatus = options.grpcStatus;
    this.grpcMessage = options.grpcMessage;
  }
}
