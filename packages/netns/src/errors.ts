/** Stable names of what can go wrong; new ones may be added in a minor version. */
export type NetnsErrorCode =
  | 'NETNS_UNSUPPORTED'
  | 'NETNS_PERMISSION'
  | 'NETNS_GONE'
  | 'NETNS_ADDRESS_IN_USE'
  | 'NETNS_EXISTS'
  | 'NETNS_REFUSED'
  | 'NETNS_MALFORMED'
  | 'NETNS_SYSTEM_CALL'
  | 'NETNS_INVALID_ARGUMENT'
  | 'NETNS_ASYNC_CALLBACK'
  | 'NETNS_CLOSED'
  | 'NETNS_BUSY';

/** What a failed system call says about itself. */
export interface NetnsErrorDetails extends ErrorOptions {
  /** The system call or step, for example `bind`. */
  readonly operation?: string;
  /** Symbolic error, for example `EADDRINUSE`. */
  readonly errno?: string;
  /** Its number on this machine, for example 98. */
  readonly errnoNumber?: number;
  /** The C library's words for it, for example `Address already in use`. */
  readonly reason?: string;
  /** `ip:port`, IPv6 in brackets, if the operation concerns one. */
  readonly address?: string;
  /** Inode of the namespace concerned, as in `/proc/PID/ns/net`. */
  readonly namespaceId?: bigint;
}

/** Failure of this package. Branch on `code` (stable, semver); the message is for people and may change. */
export class NetnsError extends Error {
  override readonly name = 'NetnsError';
  readonly code: NetnsErrorCode;
  readonly operation: string | undefined;
  readonly errno: string | undefined;
  readonly errnoNumber: number | undefined;
  readonly reason: string | undefined;
  readonly address: string | undefined;
  readonly namespaceId: bigint | undefined;

  constructor(code: NetnsErrorCode, message: string, details: NetnsErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.operation = details.operation;
    this.errno = details.errno;
    this.errnoNumber = details.errnoNumber;
    this.reason = details.reason;
    this.address = details.address;
    this.namespaceId = details.namespaceId;
  }
}
