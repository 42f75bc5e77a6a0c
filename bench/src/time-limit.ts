import { TRIALS } from './measure/trials.ts';
import type { BenchOptions } from './options.ts';

/** For starting labs, reading memory and removing everything, on a slow machine. */
const FIXED_MS = 180_000;
/** A measurement may take so many times what it should: loads that fail have time limits of their own. */
const PATIENCE = 3;
/** Between measurements, for connections to open and close. */
const OVERHEAD_MS = 1_000;

/** Longest time a run may take before it is cut off, in milliseconds. */
export function timeLimitMs(options: BenchOptions): number {
  const contestants =
    options.baselines.size + Number(options.ours) + Number(options.nodeEngine) + options.rivals.length;
  const measurementMs = (options.seconds + options.warmUpSeconds) * 1_000 + OVERHEAD_MS;
  return FIXED_MS + PATIENCE * options.rounds * TRIALS.length * contestants * measurementMs;
}
