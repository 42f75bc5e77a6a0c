import { IptablesError } from '../errors.ts';
import { findCommonSubsequence } from './common-subsequence.ts';
import { renderListedRule } from './listing.ts';
import type { ChainPlan, RuleChange } from './plan.ts';
import { renderRule } from './render-rule.ts';
import type { Family, Rule } from './rule.ts';

/**
 * Rules of one chain in the order the kernel will have them: those with a position go where it says. Throws as
 * {@link insertAt}.
 */
export function orderRules(rules: readonly Rule[], exact: boolean): readonly Rule[] {
  if (rules.every(({ position }) => position === undefined)) return rules;
  const ordered: Rule[] = [];
  for (const rule of rules) {
    if (rule.position === undefined) ordered.push(rule);
    else insertAt(ordered, rule, { rule, exact });
  }
  return ordered;
}

/**
 * Puts `item` where the position of `rule` says. If `exact`, throws `IPTABLES_RULE_INVALID` for a position behind the
 * end, as the kernel does.
 */
export function insertAt<T>(
  list: T[],
  item: T,
  { rule, exact }: { readonly rule: Rule; readonly exact: boolean },
): void {
  const { position = 1 } = rule;
  if (exact && position > list.length + 1)
    throw new IptablesError(
      'IPTABLES_RULE_INVALID',
      `${renderRule(rule)}: ${rule.chain} has ${list.length} other rules, so there is no position ${position}`,
    );
  list.splice(position - 1, 0, item);
}

/**
 * The difference of a chain that is to have exactly the rules of `want`; undefined if it has. Both ends that are equal
 * are left out before anything is rendered: two saves of 20,000 rules mostly differ in a few.
 */
export function planChain(
  chain: string,
  have: readonly Rule[],
  want: readonly Rule[],
  family: Family,
): ChainPlan | undefined {
  const head = countEqual(Math.min(have.length, want.length), (index) => same(have[index], want[index], family));
  if (head === have.length && head === want.length) return undefined;
  const tail = countEqual(Math.min(have.length, want.length) - head, (index) =>
    same(have.at(-1 - index), want.at(-1 - index), family),
  );
  const listed = (rules: readonly Rule[]) =>
    rules.slice(head, rules.length - tail).map((rule) => ({ rule, text: renderListedRule(rule, family) }));
  const [before, after] = [listed(have), listed(want)];
  const partners = findCommonSubsequence(
    before.map(({ text }) => text),
    after.map(({ text }) => text),
  );
  const changes = listChanges(before, after, partners, head);
  const removed = changes.filter(({ from }) => from !== undefined).length;
  return { chain, kept: have.length - removed, shared: false, changes };
}

/** A rule with the text it is listed as. */
export interface TextedRule {
  readonly rule: Rule;
  readonly text: string;
}

/**
 * Turns partners (see {@link findCommonSubsequence}) into changes, in the order of the chains; what is taken away here
 * and put back there is a move. `offset` is the number of rules before both lists.
 */
export function listChanges(
  have: readonly TextedRule[],
  want: readonly TextedRule[],
  partners: Int32Array,
  offset: number,
): readonly RuleChange[] {
  const kept = new Set(partners);
  const moves = pairMoves(have, want, partners, kept);
  const movedAway = new Set(moves.values());
  const ends = gapEnds(partners, have.length);
  const changes: RuleChange[] = [];
  let next = 0;
  const removeUpTo = (end: number) => {
    for (; next < end; next++) {
      const listed = have[next];
      if (listed !== undefined && !kept.has(next) && !movedAway.has(next))
        changes.push({ change: 'removed', ...listed, from: offset + next + 1 });
    }
  };
  for (const [index, listed] of want.entries()) {
    // What goes is listed before what comes in its place.
    removeUpTo(ends[index] ?? 0);
    if ((partners[index] ?? -1) >= 0) {
      next++;
      continue;
    }
    const from = moves.get(index);
    const to = offset + index + 1;
    changes.push(
      from === undefined
        ? { change: 'added', ...listed, to }
        : { change: 'moved', ...listed, from: offset + from + 1, to },
    );
  }
  removeUpTo(have.length);
  return changes;
}

/** For each line of `want` its partner in `have`, or that of the next line that has one. */
function gapEnds(partners: Int32Array, end: number): Int32Array {
  const ends = new Int32Array(partners.length);
  let next = end;
  for (let index = partners.length - 1; index >= 0; index--) {
    const partner = partners[index] ?? -1;
    if (partner >= 0) next = partner;
    ends[index] = next;
  }
  return ends;
}

/** For each line of `want` without partner the equal line of `have` without one, if there is. */
function pairMoves(
  have: readonly TextedRule[],
  want: readonly TextedRule[],
  partners: Int32Array,
  kept: ReadonlySet<number>,
): ReadonlyMap<number, number> {
  const loose = new Map<string, number[]>();
  for (const [index, { text }] of have.entries()) {
    if (kept.has(index)) continue;
    const known = loose.get(text);
    if (known === undefined) loose.set(text, [index]);
    else known.push(index);
  }
  const moves = new Map<number, number>();
  for (const [index, { text }] of want.entries()) {
    const from = (partners[index] ?? -1) < 0 ? loose.get(text)?.shift() : undefined;
    if (from !== undefined) moves.set(index, from);
  }
  return moves;
}

function countEqual(limit: number, isEqual: (index: number) => boolean): number {
  let count = 0;
  while (count < limit && isEqual(count)) count++;
  return count;
}

function same(a: Rule | undefined, b: Rule | undefined, family: Family): boolean {
  if (a === undefined || b === undefined) return false;
  return a === b || renderListedRule(a, family) === renderListedRule(b, family);
}
