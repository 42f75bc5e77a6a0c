import { type CallSubject, systemCallError } from './native.ts';

/** The typed error for one that Node reports of a system call; anything that is no failed system call unchanged. */
export function nodeError(error: unknown, about: CallSubject): unknown {
  if (!(error instanceof Error) || !('errno' in error) || typeof error.errno !== 'number') return error;
  // libuv's numbers are the kernel's, negated.
  return systemCallError({ ...about, cause: error }, Math.abs(error.errno));
}

/** What `call`, a function of `node:fs`, returns; what it throws as `nodeError` makes it. */
export function fileCall<T>(about: CallSubject, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw nodeError(error, about);
  }
}
