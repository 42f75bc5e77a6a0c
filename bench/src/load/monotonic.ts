import { hrtime } from 'node:process';

/** Milliseconds of the clock that all processes and threads of the machine share; `performance.now` starts at 0 in each. */
export function monotonicMs(): number {
  return Number(hrtime.bigint()) / 1e6;
}
