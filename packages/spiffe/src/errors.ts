/** Stable names of what can go wrong; new ones may be added in a minor version. */
export type SpiffeErrorCode =
  /** An identity whose parts do not render to a SPIFFE ID that parses back to the same parts. */
  | 'SPIFFE_ID_INVALID'
  /** A certificate is missing, is not PEM or not X.509. */
  | 'SPIFFE_CERTIFICATE_INVALID'
  /** No usable root certificate where at least one is needed. */
  | 'SPIFFE_ROOT_MISSING'
  /** A private key is unreadable or does not belong to the leaf. */
  | 'SPIFFE_KEY_MISMATCH'
  /** The certificate authority answered for another identity than the one asked for. */
  | 'SPIFFE_SAN_UNEXPECTED'
  /** A signing request is unreadable, badly signed or has a weak or unknown key. */
  | 'SPIFFE_CSR_INVALID'
  /** The authority does not sign this: foreign trust domain, odd name, bad lifetime, own certificate expired. */
  | 'SPIFFE_SIGNING_REFUSED'
  /** A revocation list is malformed or too large. */
  | 'SPIFFE_CRL_INVALID';

/** Failure of this package. Branch on `code` (stable, semver); the message is for people and may change. */
export class SpiffeError extends Error {
  override readonly name = 'SpiffeError';
  readonly code: SpiffeErrorCode;

  constructor(code: SpiffeErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
