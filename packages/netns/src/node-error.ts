import { type CallSubject, systemCallError } from './native.ts';

/** The typed error for one that Node reports of a socket in a namespace; anything that is no failed system call unchanged. */
export function nodeError(error: unknown, about: CallSubject): unknown {
  if (!(error instanceof Error) || !('errno' in error) || typeof error.errno !== 'number') return error;
  // libuv's numbers are the kernel's, negated.
  return systemCallError({ ...about, cause: error }, Math.abs(error.errno));
}
