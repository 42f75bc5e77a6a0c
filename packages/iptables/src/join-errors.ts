import { IptablesError } from './errors.ts';

/**
 * One error for several: the only one as it is, else an `IptablesError` with the code of the first that has one, all
 * messages, and an `AggregateError` of all as its cause. The same reason several times (an abort) is one.
 */
export function joinErrors(reasons: readonly unknown[]): unknown {
  const [first, ...others] = new Set(reasons);
  if (others.length === 0) return first;
  const errors = [first, ...others];
  const known = errors.find((error) => error instanceof IptablesError);
  const message = errors.map((error) => (error instanceof Error ? error.message : String(error))).join('; ');
  const cause = new AggregateError(errors, message);
  if (known === undefined) return cause;
  return new IptablesError(known.code, message, { cause, ...(known.line === undefined ? {} : { line: known.line }) });
}
