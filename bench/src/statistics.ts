/**
 * The value below which a fraction of `sorted` lies: nearest rank, so always one of the values. `sorted` ascends;
 * `fraction` is from 0 to 1. Undefined without values.
 */
export function percentile(sorted: ArrayLike<number>, fraction: number): number | undefined {
  if (sorted.length === 0) return undefined;
  const rank = Math.ceil(fraction * sorted.length);
  return sorted[Math.min(Math.max(rank, 1), sorted.length) - 1];
}

/** The middle of `values` in any order; the mean of the two middle ones if they are even. Undefined without values. */
export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  return upper === undefined || lower === undefined ? undefined : (upper + lower) / 2;
}

/** What there is to say about one number that was measured several times. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Median and range. Undefined without values. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  const middle = median(values);
  if (middle === undefined) return undefined;
  return { median: middle, min: Math.min(...values), max: Math.max(...values) };
}

/**
 * Quotients `values[i] / references[i]`, round by round: what drifts over the run (other load, temperature) hits both
 * and cancels out. Rounds in which either is missing, or the reference is 0, are left out.
 */
export function pairedRatios(
  values: readonly (number | undefined)[],
  references: readonly (number | undefined)[],
): number[] {
  return values.flatMap((value, round) => {
    const reference = references[round];
    return value === undefined || reference === undefined || reference === 0 ? [] : [value / reference];
  });
}
