import { findCommonSubsequence } from './common-subsequence.ts';
import { renderListedRule } from './listing.ts';
import type { ChainPlan, RuleChange } from './plan.ts';
import { insertAt, listChanges, type TextedRule } from './plan-chain.ts';
import type { Family, Rule } from './rule.ts';

/** A place in the chain. Rules of others only make up the positions, their text is never needed. */
interface Slot extends TextedRule {
  readonly ours: boolean;
}

/**
 * The difference of a chain in which only some rules are ours: those of `have` that `isOurs` says, and all of `want`. A
 * wanted rule with a position has to be exactly there; one without may be anywhere, but behind those before it, and is
 * appended if it is missing. Undefined if there is nothing to do. Throws as `insertAt`.
 */
export function planSharedChain(
  chain: string,
  have: readonly Rule[],
  want: readonly Rule[],
  options: { readonly family: Family; readonly exact: boolean; readonly isOurs: (rule: Rule) => boolean },
): ChainPlan | undefined {
  const { family, exact, isOurs } = options;
  const slot = (rule: Rule, ours: boolean): Slot => ({ ours, rule, text: ours ? renderListedRule(rule, family) : '' });
  const before = have.map((rule) => slot(rule, isOurs(rule)));
  const after = arrange(
    before,
    want.map((rule) => slot(rule, true)),
    exact,
  );
  const partners = pairSlots(before, after);
  const changes = listChanges(before, after, partners, 0);
  if (changes.length === 0) return undefined;
  const removed = changes.filter(({ from }) => from !== undefined).length;
  return { chain, kept: have.length - removed, shared: true, changes: markAmbiguous(before, partners, changes) };
}

/** The chain as it should be: the slots of others in their order, ours among them. */
function arrange(before: readonly Slot[], want: readonly Slot[], exact: boolean): readonly Slot[] {
  const loose = want.filter(({ rule }) => rule.position === undefined);
  const present = before.filter(({ ours }) => ours);
  const partners = findCommonSubsequence(textsOf(present), textsOf(loose));
  const kept = new Set([...partners].map((partner) => present[partner]));
  const after = before.filter((slot) => !slot.ours || kept.has(slot));
  // A missing one goes in front of the next of ours that stays: their order is kept.
  let next: Slot | undefined;
  for (const [index, slot] of [...loose.entries()].toReversed()) {
    const stays = present[partners[index] ?? -1];
    if (stays === undefined) after.splice(next === undefined ? after.length : after.indexOf(next), 0, slot);
    next = stays ?? slot;
  }
  // Last, for these are the positions it is to have.
  for (const slot of want) if (slot.rule.position !== undefined) insertAt(after, slot, { rule: slot.rule, exact });
  return after;
}

/** Each rule of others is its own partner; ours are compared between two of those, so that only ours ever move. */
function pairSlots(before: readonly Slot[], after: readonly Slot[]): Int32Array {
  const partners = new Int32Array(after.length).fill(-1);
  let [from, to] = [0, 0];
  while (from < before.length || to < after.length) {
    const [have, want] = [runOfOurs(before, from), runOfOurs(after, to)];
    for (const [index, partner] of findCommonSubsequence(textsOf(have), textsOf(want)).entries())
      partners[to + index] = partner < 0 ? -1 : from + partner;
    from += have.length;
    to += want.length;
    if (to < after.length) partners[to] = from;
    from++;
    to++;
  }
  return partners;
}

function runOfOurs(slots: readonly Slot[], start: number): readonly Slot[] {
  let end = start;
  while (slots[end]?.ours === true) end++;
  return slots.slice(start, end);
}

/** Deleting by text takes the first of several equal rules, which is wrong if that one is to stay. */
function markAmbiguous(
  before: readonly Slot[],
  partners: Int32Array,
  changes: readonly RuleChange[],
): readonly RuleChange[] {
  const firstKept = new Map<string, number>();
  for (const partner of partners) {
    const text = before[partner]?.ours === true ? before[partner].text : undefined;
    if (text !== undefined && !firstKept.has(text)) firstKept.set(text, partner + 1);
  }
  return changes.map((change) =>
    change.from !== undefined && (firstKept.get(change.text) ?? Infinity) < change.from
      ? { ...change, ambiguous: true }
      : change,
  );
}

function textsOf(slots: readonly Slot[]): readonly string[] {
  return slots.map(({ text }) => text);
}
