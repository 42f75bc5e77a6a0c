/** Stable names of what can go wrong; new ones may be added in a minor version. */
export type ZdsErrorCode =
  | 'ZDS_PROTOCOL_FATAL'
  | 'ZDS_MALFORMED'
  | 'ZDS_NOT_CONNECTED'
  | 'ZDS_CONNECTION_LOST'
  | 'ZDS_TIMEOUT'
  | 'ZDS_REFUSED'
  | 'ZDS_BUSY';

/** Failure of the agent protocol. Branch on `code` (stable, semver); the message is for people and may change. */
export class ZdsError extends Error {
  override readonly name = 'ZdsError';
  readonly code: ZdsErrorCode;

  constructor(code: ZdsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
