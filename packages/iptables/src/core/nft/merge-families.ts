import { findCommonSubsequence } from '../common-subsequence.ts';

/** A rule of one family; rules of two families with the same text are one rule of an inet table. */
export interface FamilyRule {
  /** Text that says nothing of the family; undefined where the rule must stay alone. */
  readonly shared: string | undefined;
  /** Text that never matches a packet of the other family. */
  readonly alone: string;
}

/**
 * One list out of the rules of both families, the order of each kept: shared rules once, between them the others in
 * turn. As no packet meets rules of both families, their mutual order does not matter.
 */
export function mergeFamilies(v4: readonly FamilyRule[], v6: readonly FamilyRule[]): readonly string[] {
  const partners = findCommonSubsequence(textsOf(v4, 'ipv4'), textsOf(v6, 'ipv6'));
  const merged: string[] = [];
  let [at4, at6] = [0, 0];
  for (const [next6, next4] of partners.entries()) {
    if (next4 === -1) continue;
    pushInTurn(merged, v4.slice(at4, next4), v6.slice(at6, next6));
    merged.push(v4[next4]?.shared ?? '');
    [at4, at6] = [next4 + 1, next6 + 1];
  }
  pushInTurn(merged, v4.slice(at4), v6.slice(at6));
  return merged;
}

/** What cannot be shared gets a text that the other family does not have. */
function textsOf(rules: readonly FamilyRule[], family: string): readonly string[] {
  return rules.map(({ shared }, index) => shared ?? `\n${family} ${index}`);
}

function pushInTurn(into: string[], v4: readonly FamilyRule[], v6: readonly FamilyRule[]): void {
  for (let index = 0; index < Math.max(v4.length, v6.length); index++)
    for (const rule of [v4[index], v6[index]]) if (rule !== undefined) into.push(rule.alone);
}
