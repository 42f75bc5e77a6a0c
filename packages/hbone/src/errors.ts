/** Stable names of what can go wrong; new ones may be added in a minor version. */
export type HboneErrorCode =
  | 'HBONE_CREDENTIALS_INVALID'
  | 'HBONE_DIAL_FAILED'
  | 'HBONE_LISTEN_FAILED'
  | 'HBONE_REQUEST_REFUSED'
  | 'HBONE_STREAM_FAILED';

/** Failure of a tunnel. Branch on `code` (stable, semver); the message is for people and may change. */
export class HboneError extends Error {
  override readonly name = 'HboneError';
  readonly code: HboneErrorCode;

  constructor(code: HboneErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
