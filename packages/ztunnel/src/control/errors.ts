/** Stable names of what can go wrong; new ones may be added in a minor version. */
export type ZtunnelErrorCode =
  /** A variable, the mesh configuration or a combination of them is wrong; the message lists every one. */
  | 'ZTUNNEL_CONFIG_INVALID'
  /** The configuration asks for something that this version does not have. */
  | 'ZTUNNEL_UNSUPPORTED'
  /** The local configuration (file xDS) is wrong. */
  | 'ZTUNNEL_LOCAL_CONFIG_INVALID'
  /** The process lacks a capability that every proxy needs. */
  | 'ZTUNNEL_PERMISSION'
  /** One of the process's own ports cannot be had. */
  | 'ZTUNNEL_LISTEN'
  /** A data thread ended. */
  | 'ZTUNNEL_DATA_THREAD_LOST'
  /** The listeners of a pod could not be made. */
  | 'ZTUNNEL_POD_FAILED'
  /** No certificate for an identity. */
  | 'ZTUNNEL_CERTIFICATE';

/** Failure of the proxy. Branch on `code` (stable, semver); the message is for people and may change. */
export class ZtunnelError extends Error {
  override readonly name = 'ZtunnelError';
  readonly code: ZtunnelErrorCode;

  constructor(code: ZtunnelErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
