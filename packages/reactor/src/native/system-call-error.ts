import { constants } from 'node:os';
import { ReactorError } from '../errors.ts';

/**
 * Passes a result of `SystemCalls` on; `subject` is what the call was about, for the message.
 * @throws {ReactorError} `REACTOR_SYSTEM_CALL` if it is a negated errno.
 */
export function checked(result: number, operation: string, subject = ''): number {
  if (result >= 0) return result;
  const errno = errnoName(-result);
  const remedy = errno === 'EMFILE' || errno === 'ENFILE' ? ' (raise the limit of open files)' : '';
  throw new ReactorError(
    'REACTOR_SYSTEM_CALL',
    `${operation}${subject === '' ? '' : ` ${subject}`}: ${errno}${remedy}`,
    { operation, errno },
  );
}

/** Symbolic name of an errno, `EIO`-style; `errno N` if the platform has no name for it. */
export function errnoName(errno: number): string {
  const found = Object.entries(constants.errno).find(([, value]) => value === errno);
  return found?.[0] ?? `errno ${errno}`;
}
