import type { NftTableName } from './nft-script.ts';
import type { Rule, RuleSet, Table, TableName } from './rule.ts';
import { buildTable } from './table.ts';

/** Which chains of which tables are ours to create, compare, change and remove. Everything else is left alone. */
export interface Ownership {
  readonly tables: readonly TableName[];
  readonly chains: readonly string[];
  /** Tables of nftables that are ours as a whole: those that are not wanted go. */
  readonly nftTables?: readonly NftTableName[];
}

/** Whether the rule jumps or goes to an owned chain. */
export function leadsInto(rule: Rule, { chains }: Ownership): boolean {
  const { target } = rule;
  return (target?.target === 'jump' || target?.target === 'goto') && chains.includes(target.chain);
}

/**
 * The owned part of a rule set: the owned chains with their rules, and the rules that lead into them. Tables without any
 * are left out, so that `tables` is empty exactly if there is nothing owned.
 */
export function extractOwned(ruleSet: RuleSet, ownership: Ownership): RuleSet {
  return extract(ruleSet, ownership, (rule) => rule);
}

/**
 * The owned part of a listing, in which the rules that lead into owned chains have the positions they are listed at: what
 * puts everything back where it was.
 */
export function extractOwnedInPlace(listing: RuleSet, ownership: Ownership): RuleSet {
  return extract(listing, ownership, (rule, position) => ({ ...rule, position }));
}

function extract(ruleSet: RuleSet, ownership: Ownership, place: (rule: Rule, position: number) => Rule): RuleSet {
  const owned = ruleSet.tables.filter(({ name }) => ownership.tables.includes(name));
  const tables = owned.map((table) => extractTable(table, ownership, place));
  return { ...ruleSet, tables: tables.filter(({ chains, rules }) => chains.length > 0 || rules.length > 0) };
}

function extractTable(table: Table, ownership: Ownership, place: (rule: Rule, position: number) => Rule): Table {
  const positions = new Map<string, number>();
  const rules: Rule[] = [];
  for (const rule of table.rules) {
    const position = (positions.get(rule.chain) ?? 0) + 1;
    positions.set(rule.chain, position);
    if (ownership.chains.includes(rule.chain)) rules.push(rule);
    else if (leadsInto(rule, ownership)) rules.push(place(rule, position));
  }
  const chains = table.chains.filter(({ name }) => ownership.chains.includes(name));
  return buildTable(table.name, chains, rules);
}
