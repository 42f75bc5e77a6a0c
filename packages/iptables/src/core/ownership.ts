import { builtInChains, TABLE_NAMES } from './builtin-chains.ts';
import { ListedRule } from './listed-rule.ts';
import type { NftTableName } from './nft-script.ts';
import type { Chain, Rule, RuleSet, Table, TableName } from './rule.ts';
import { buildTable } from './table.ts';

/** Which chains are ours to create, compare, change and remove. Everything else is left alone. */
export interface Ownership {
  /**
   * By table, such as `{ filter: ['INPUT'], nat: ['OURS'] }`. A built-in chain named here is ours as a whole: every rule
   * in it, whoever wrote it, and its policy where one is wanted; it is emptied, never removed. Of other built-in chains
   * only the rules that lead into owned chains of their table are ours; in chains of others, those that are wanted.
   */
  readonly chains: OwnedChains;
  /** Tables of nftables that are ours as a whole: those that are not wanted go. */
  readonly nftTables?: readonly NftTableName[];
}

/** Names of chains, by table. */
export type OwnedChains = { readonly [T in TableName]?: readonly string[] };

/** The owned chains of one table. */
export function ownedChains({ chains }: Ownership, table: TableName): readonly string[] {
  return chains[table] ?? [];
}

/** The tables in which something is owned. */
export function ownedTables(ownership: Ownership): readonly TableName[] {
  return TABLE_NAMES.filter((table) => ownedChains(ownership, table).length > 0);
}

/** Whether the rule jumps or goes to one of the chains. */
export function leadsInto(rule: Rule, chains: readonly string[]): boolean {
  if (chains.length === 0) return false;
  // Of a rule that was read from a save, the last word is cheaper to look at than the target.
  const text = ListedRule.textOf(rule);
  if (text !== undefined && !chains.includes(text.slice(text.lastIndexOf(' ') + 1))) return false;
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
 * The owned part of a listing, in which the rules that lead into owned chains have the positions they are listed at:
 * with {@link withOpenPolicies}, what puts everything back as it was. Policies ACCEPT are left out: a built-in chain that
 * was never touched has that.
 */
export function extractOwnedInPlace(listing: RuleSet, ownership: Ownership): RuleSet {
  return extract(listing, ownership, keepPosition, ({ policy }) => policy !== 'ACCEPT');
}

/** The rule set with policy ACCEPT for each owned built-in chain of which it states none. */
export function withOpenPolicies(ruleSet: RuleSet, ownership: Ownership): RuleSet {
  const open = ownedTables(ownership).map((name) => {
    const known = ruleSet.tables.filter((table) => table.name === name).flatMap((table) => table.chains);
    const stated = new Set(known.filter(({ policy }) => policy !== undefined).map((chain) => chain.name));
    const owned = ownedChains(ownership, name);
    const missing = builtInChains(name).filter((chain) => owned.includes(chain) && !stated.has(chain));
    return buildTable(
      name,
      missing.map((chain): Chain => ({ name: chain, policy: 'ACCEPT' })),
      [],
    );
  });
  return { ...ruleSet, tables: [...ruleSet.tables, ...open.filter(({ chains }) => chains.length > 0)] };
}

/** The ownership without built-in chains. */
export function withoutBuiltIn(ownership: Ownership): Ownership {
  const chains = ownedTables(ownership).map((table) => {
    const builtIn = builtInChains(table);
    return [table, ownedChains(ownership, table).filter((chain) => !builtIn.includes(chain))] as const;
  });
  return { ...ownership, chains: Object.fromEntries(chains) };
}

type Placing = (rule: Rule, position: number) => Rule;

const keepPosition: Placing = (rule, position) => ({ ...rule, position });

function extract(
  ruleSet: RuleSet,
  ownership: Ownership,
  place: Placing,
  counts: (chain: Chain) => boolean = () => true,
): RuleSet {
  const tables = ruleSet.tables.map((table) => {
    const { name, chains, rules } = extractTable(table, ownedChains(ownership, table.name), place);
    return buildTable(name, chains.filter(counts), rules);
  });
  return { ...ruleSet, tables: tables.filter(({ chains, rules }) => chains.length > 0 || rules.length > 0) };
}

function extractTable(table: Table, owned: readonly string[], place: Placing): Table {
  const positions = new Map<string, number>();
  const rules: Rule[] = [];
  for (const rule of table.rules) {
    const position = (positions.get(rule.chain) ?? 0) + 1;
    positions.set(rule.chain, position);
    if (owned.includes(rule.chain)) rules.push(rule);
    else if (leadsInto(rule, owned)) rules.push(place(rule, position));
  }
  const chains = table.chains.filter(({ name }) => owned.includes(name));
  return buildTable(table.name, chains, rules);
}
