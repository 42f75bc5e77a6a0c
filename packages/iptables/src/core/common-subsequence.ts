/** Up to this many lines taken out and put in the answer is exact: at most about 10 ms and 4 MB. */
const MAX_EDITS = 1000;

/**
 * Finds lines that both lists have in the same order: the result has for each line of `want` the index of its partner
 * in `have`, or -1; partners ascend. They are as many as possible, unless the lists differ in more than a thousand lines:
 * equal lines are then partners in the order they occur, and of these as many as possible, in O(n log n).
 */
export function findCommonSubsequence(have: readonly string[], want: readonly string[]): Int32Array {
  return findFewestEdits(have, want) ?? findLongestRise(have, want);
}

/**
 * Myers, "An O(ND) Difference Algorithm and Its Variations" (1986), the greedy form. `reach` has for each diagonal
 * (index in `have` less that in `want`) how far one gets in `have` with so many edits; undefined if they are too many.
 */
function findFewestEdits(have: readonly string[], want: readonly string[]): Int32Array | undefined {
  const limit = Math.min(MAX_EDITS, have.length + want.length);
  const middle = limit + 1;
  const reach = new Int32Array(2 * middle + 1);
  const history: Int32Array[] = [];
  for (let edits = 0; edits <= limit; edits++) {
    history.push(reach.slice(middle - edits - 1, middle + edits + 2));
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      let from = stepFrom(reach, middle, diagonal, edits);
      while (from < have.length && from - diagonal < want.length && have[from] === want[from - diagonal]) from++;
      reach[middle + diagonal] = from;
      if (from >= have.length && from - diagonal >= want.length) return traceBack(history, have.length, want.length);
    }
  }
  return undefined;
}

/** Where one is in `have` after the better of taking a line out and putting one in. */
function stepFrom(reach: Int32Array, middle: number, diagonal: number, edits: number): number {
  const below = reach[middle + diagonal - 1] ?? 0;
  const above = reach[middle + diagonal + 1] ?? 0;
  return diagonal === -edits || (diagonal !== edits && below < above) ? above : below + 1;
}

function traceBack(history: readonly Int32Array[], have: number, want: number): Int32Array {
  const partners = new Int32Array(want).fill(-1);
  let [from, to] = [have, want];
  for (let edits = history.length - 1; edits >= 0; edits--) {
    const reach = history[edits] ?? new Int32Array();
    const middle = edits + 1;
    const diagonal = from - to;
    const start = stepFrom(reach, middle, diagonal, edits);
    while (from > start) partners[--to] = --from;
    const below = reach[middle + diagonal - 1] ?? 0;
    const above = reach[middle + diagonal + 1] ?? 0;
    if (diagonal === -edits || (diagonal !== edits && below < above)) to--;
    else from--;
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
