import { builtInChains, TABLE_NAMES } from './builtin-chains.ts';
import { ListedRule } from './listed-rule.ts';
import { listMatch, listRank } from './matches/match-kinds.ts';
import { renderRule } from './render-rule.ts';
import type { Family, Match, Rule, RuleSet, Table } from './rule.ts';
import { buildTable } from './table.ts';
import { listTarget } from './targets/target-kinds.ts';

/**
 * The rule set as the kernel lists it after applying to empty tables: built-in chains with policy ACCEPT, user chains
 * by name, rules by chain in the spelling of `iptables-save`, tables in the order of the nft variant. No counters.
 */
export function buildListing(ruleSet: RuleSet): RuleSet {
  const tables = TABLE_NAMES.flatMap((name) => ruleSet.tables.filter((table) => table.name === name));
  return { family: ruleSet.family, tables: tables.map((table) => listTable(table, ruleSet.family)) };
}

/** One rule in the spelling of `iptables-save` 1.8, without counters and position. */
export function listRule(rule: Rule, family: Family): Rule {
  if (rule.counters === undefined && ListedRule.textOf(rule, family) !== undefined) return rule;
  const ranked: { readonly match: Match; readonly rank: number }[] = [];
  for (const written of rule.matches) {
    const match = listMatch(written, family);
    if (match !== undefined) ranked.push({ match, rank: listRank(match) });
  }
  const matches = ranked.toSorted((a, b) => a.rank - b.rank).map(({ match }) => match);
  const target = rule.target === undefined ? {} : { target: listTarget(rule.target, family) };
  return { chain: rule.chain, matches, ...target };
}

/**
 * Text of {@link listRule}: equal texts are the same rule to the kernel. Cheap for rules that `parseSave` read from a
 * listing, which must not be changed in place. Throws `IPTABLES_RULE_INVALID`.
 */
export function renderListedRule(rule: Rule, family: Family): string {
  return ListedRule.textOf(rule, family) ?? renderRule(listRule(rule, family));
}

function listTable(table: Table, family: Family): Table {
  const builtIn = builtInChains(table.name);
  const own = table.chains.map(({ name }) => name).filter((name) => !builtIn.includes(name));
  const names = [...builtIn, ...[...new Set(own)].toSorted()];
  const policies = new Map(table.chains.map(({ name, policy }) => [name, policy]));
  const chains = names.map((name) =>
    builtIn.includes(name) ? { name, policy: policies.get(name) ?? ('ACCEPT' as const) } : { name },
  );
  const byChain = new Map<string, Rule[]>(names.map((name) => [name, []]));
  for (const rule of table.rules) {
    const listed = byChain.get(rule.chain);
    if (rule.position === undefined) listed?.push(rule);
    else listed?.splice(rule.position - 1, 0, rule);
  }
  const rules = [...byChain.values()].flat().map((rule) => listRule(rule, family));
  return buildTable(table.name, chains, rules);
}
