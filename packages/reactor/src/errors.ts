/** Stable names of what can go wrong; new ones may be added in a minor version. */
export type ReactorErrorCode =
  | 'REACTOR_UNSUPPORTED'
  | 'REACTOR_SELF_TEST'
  | 'REACTOR_SYSTEM_CALL'
  | 'REACTOR_MEMORY_EXHAUSTED'
  | 'REACTOR_MEMORY_MISUSED'
  | 'REACTOR_INVALID_ARGUMENT'
  | 'REACTOR_CLOSED'
  | 'REACTOR_IN_TURN';

/** What a failed system call says about itself. */
export interface ReactorErrorDetails extends ErrorOptions {
  /** The system call or step, for example `epoll_create1`. */
  readonly operation?: string;
  /** Symbolic error, for example `EMFILE`. */
  readonly errno?: string;
}

/** Failure of this package. Branch on `code` (stable, semver); the message is for people and may change. */
export class ReactorError extends Error {
  override readonly name = 'ReactorError';
  readonly code: ReactorErrorCode;
  readonly operation: string | undefined;
  readonly errno: string | undefined;

  constructor(code: ReactorErrorCode, message: string, details: ReactorErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.operation = details.operation;
    this.errno = details.errno;
  }
}

/** What everything throws that needs an engine which is closed. */
export function closedError(): ReactorError {
  return new ReactorError('REACTOR_CLOSED', 'the engine is closed (close what uses it before)');
}
