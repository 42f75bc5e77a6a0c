/** Up to this many pairs the longest common subsequence is computed exactly: about 2 ms and 1 MB. */
const MAX_EXACT_PAIRS = 250_000;

/**
 * Finds lines that both lists have in the same order: the result has for each line of `want` the index of its partner
 * in `have`, or -1; partners ascend. As many as possible for short lists. For long ones equal lines are partners in the
 * order they occur, and of these as many as possible: the same unless lines repeat, in O(n log n).
 */
export function findCommonSubsequence(have: readonly string[], want: readonly string[]): Int32Array {
  return have.length * want.length <= MAX_EXACT_PAIRS ? findExact(have, want) : findLongestRise(have, want);
}

function findExact(have: readonly string[], want: readonly string[]): Int32Array {
  const width = want.length + 1;
  const lengths = new Int32Array((have.length + 1) * width);
  const at = (row: number, column: number) => lengths[row * width + column] ?? 0;
  for (let row = have.length - 1; row >= 0; row--)
    for (let column = want.length - 1; column >= 0; column--)
      lengths[row * width + column] =
        have[row] === want[column] ? at(row + 1, column + 1) + 1 : Math.max(at(row + 1, column), at(row, column + 1));
  const partners = new Int32Array(want.length).fill(-1);
  let [row, column] = [0, 0];
  while (row < have.length && column < want.length) {
    if (have[row] === want[column]) partners[column++] = row++;
    else if (at(row + 1, column) >= at(row, column + 1)) row++;
    else column++;
  }
  return partners;
}

/** Pairs equal lines, then keeps the longest run of pairs that ascends (patience sorting). */
function findLongestRise(have: readonly string[], want: readonly string[]): Int32Array {
  const candidates = pairByOccurrence(have, want);
  /** For each length of a run: the index in `want` of the last pair of the run that ends lowest. */
  const tails: number[] = [];
  const previous = new Int32Array(want.length).fill(-1);
  for (const [index, partner] of candidates.entries()) {
    if (partner < 0) continue;
    const length = countLower(tails, candidates, partner);
    previous[index] = tails[length - 1] ?? -1;
    tails[length] = index;
  }
  const partners = new Int32Array(want.length).fill(-1);
  for (let index = tails.at(-1) ?? -1; index >= 0; index = previous[index] ?? -1)
    partners[index] = candidates[index] ?? -1;
  return partners;
}

/** The first `x` of one list with the first of the other, the second with the second. */
function pairByOccurrence(have: readonly string[], want: readonly string[]): Int32Array {
  const places = new Map<string, number[]>();
  for (let index = have.length - 1; index >= 0; index--) {
    const line = have[index] ?? '';
    const known = places.get(line);
    if (known === undefined) places.set(line, [index]);
    else known.push(index);
  }
  return Int32Array.from(want, (line) => places.get(line)?.pop() ?? -1);
}

/** How many of the ascending runs end below `partner`, by bisection. */
function countLower(tails: readonly number[], candidates: Int32Array, partner: number): number {
  let [low, high] = [0, tails.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((candidates[tails[middle] ?? 0] ?? 0) < partner) low = middle + 1;
    else high = middle;
  }
  return low;
}
