import { joinErrors } from './join-errors.ts';

/**
 * Waits for the end of all, whatever happens to one, so that nothing goes on in a namespace that was given back. Throws
 * the failures as one error.
 */
export async function awaitAll<T>(work: readonly Promise<T>[]): Promise<readonly T[]> {
  const results = await Promise.allSettled(work);
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
  if (failures.length > 0) throw joinErrors(failures);
  return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
}
