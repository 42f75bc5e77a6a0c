import { builtInChains, TABLE_NAMES } from './builtin-chains.ts';
import { CONNECTION_STATES } from './connection-state.ts';
import type { Family, Match, Rule, RuleSet, Table, Target } from './rule.ts';
import { buildTable } from './table.ts';

/** Matches that iptables lists before all others, in this order. */
const CORE_ORDER: readonly Match['match'][] = ['source', 'destination', 'in-interface', 'out-interface', 'protocol'];

/**
 * The rule set as the kernel lists it after applying to empty tables: built-in chains with policy ACCEPT, user chains
 * by name, rules by chain in the spelling of `iptables-save`, tables in the order of the nft variant. No counters.
 */
export function buildListing(ruleSet: RuleSet): RuleSet {
  const tables = TABLE_NAMES.flatMap((name) => ruleSet.tables.filter((table) => table.name === name));
  return { family: ruleSet.family, tables: tables.map((table) => listTable(table, ruleSet.family)) };
}

/** One rule in the spelling of `iptables-save`, without counters and position. */
export function listRule(rule: Rule, family: Family): Rule {
  const matches = rule.matches.map((match) => listMatch(match, family));
  const core = CORE_ORDER.flatMap((name) => matches.filter(({ match }) => match === name));
  const others = matches.filter(({ match }) => !CORE_ORDER.includes(match));
  const target = rule.target === undefined ? {} : { target: listTarget(rule.target) };
  return { chain: rule.chain, matches: [...core, ...others], ...target };
}

function listTable(table: Table, family: Family): Table {
  const builtIn = builtInChains(table.name);
  const own = table.chains.map(({ name }) => name).filter((name) => !builtIn.includes(name));
  const names = [...builtIn, ...own.toSorted()];
  const policies = new Map(table.chains.map(({ name, policy }) => [name, policy]));
  const chains = names.map((name) =>
    builtIn.includes(name) ? { name, policy: policies.get(name) ?? ('ACCEPT' as const) } : { name },
  );
  const rules = names.flatMap((name) => listChain(table.rules, name)).map((rule) => listRule(rule, family));
  return buildTable(table.name, chains, rules);
}

function listChain(rules: readonly Rule[], chain: string): readonly Rule[] {
  const listed: Rule[] = [];
  for (const rule of rules) {
    if (rule.chain !== chain) continue;
    if (rule.position === undefined) listed.push(rule);
    else listed.splice(rule.position - 1, 0, rule);
  }
  return listed;
}

function listMatch(match: Match, family: Family): Match {
  if (match.match === 'source' || match.match === 'destination')
    return { ...match, prefixLength: match.prefixLength ?? (family === 'ipv4' ? 32 : 128) };
  if (match.match === 'tcp' || match.match === 'udp') {
    const { implicit: _implicit, ...listed } = match;
    return listed;
  }
  if (match.match === 'conntrack')
    return { ...match, states: CONNECTION_STATES.filter((state) => match.states.includes(state)) };
  return match;
}

function listTarget(target: Target): Target {
  if (target.target !== 'REDIRECT') return target;
  return { target: 'REDIRECT', toPorts: target.toPorts };
}
