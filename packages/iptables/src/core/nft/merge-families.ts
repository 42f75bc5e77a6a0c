/** A rule of one family; rules of two families with the same text are one rule of an inet table. */
export interface FamilyRule {
  /** Text that says nothing of the family; undefined where the rule must stay alone. */
  readonly shared: string | undefined;
  /** Text that never matches a packet of the other family. */
  readonly alone: string;
}

/** More pairs than this are not compared: the rules are right without merging, only more of them. */
const MAX_PAIRS = 4_000_000;

/**
 * One list out of the rules of both families, the order of each kept: shared rules once, between them the others in
 * turn. As no packet meets rules of both families, their mutual order does not matter.
 */
export function mergeFamilies(v4: readonly FamilyRule[], v6: readonly FamilyRule[]): readonly string[] {
  const merged: string[] = [];
  let [at4, at6] = [0, 0];
  for (const [next4, next6] of findCommon(v4, v6)) {
    pushInTurn(merged, v4.slice(at4, next4), v6.slice(at6, next6));
    merged.push(v4[next4]?.shared ?? '');
    [at4, at6] = [next4 + 1, next6 + 1];
  }
  pushInTurn(merged, v4.slice(at4), v6.slice(at6));
  return merged;
}

function pushInTurn(into: string[], v4: readonly FamilyRule[], v6: readonly FamilyRule[]): void {
  for (let index = 0; index < Math.max(v4.length, v6.length); index++)
    for (const rule of [v4[index], v6[index]]) if (rule !== undefined) into.push(rule.alone);
}

function same(one: FamilyRule | undefined, other: FamilyRule | undefined): boolean {
  return one !== undefined && one.shared !== undefined && one.shared === other?.shared;
}

/** Index pairs of a longest common subsequence, ascending. */
function findCommon(v4: readonly FamilyRule[], v6: readonly FamilyRule[]): readonly (readonly [number, number])[] {
  const pairs: [number, number][] = [];
  let start = 0;
  while (same(v4[start], v6[start])) {
    pairs.push([start, start]);
    start += 1;
  }
  const last: [number, number][] = [];
  let [end4, end6] = [v4.length, v6.length];
  while (end4 > start && end6 > start && same(v4[end4 - 1], v6[end6 - 1])) {
    end4 -= 1;
    end6 -= 1;
    last.push([end4, end6]);
  }
  const middle = findCommonBetween(v4.slice(start, end4), v6.slice(start, end6));
  for (const [one, other] of middle) pairs.push([one + start, other + start]);
  return pairs.concat(last.toReversed());
}

function findCommonBetween(v4: readonly FamilyRule[], v6: readonly FamilyRule[]): readonly [number, number][] {
  if (v4.length * v6.length > MAX_PAIRS) return [];
  const width = v6.length + 1;
  // lengths[i * width + j]: longest common subsequence of what begins at i and at j.
  const lengths = new Uint32Array((v4.length + 1) * width);
  const length = (i: number, j: number) => lengths[i * width + j] ?? 0;
  for (let i = v4.length - 1; i >= 0; i--)
    for (let j = v6.length - 1; j >= 0; j--)
      lengths[i * width + j] = same(v4[i], v6[j])
        ? length(i + 1, j + 1) + 1
        : Math.max(length(i + 1, j), length(i, j + 1));
  const pairs: [number, number][] = [];
  for (let i = 0, j = 0; i < v4.length && j < v6.length; ) {
    if (same(v4[i], v6[j])) pairs.push([i++, j++]);
    else if (length(i + 1, j) >= length(i, j + 1)) i += 1;
    else j += 1;
  }
  return pairs;
}
