import { IptablesError } from '../errors.ts';
import { builtInChains, isTableName } from './builtin-chains.ts';
import type { NftTableName } from './nft-script.ts';
import { leadsInto, type Ownership, ownedChains } from './ownership.ts';
import { renderRule } from './render-rule.ts';
import type { Rule, RuleSet, Table } from './rule.ts';

/** A message with more than that helps nobody. */
const MOST_PROBLEMS = 20;

/**
 * Refuses wanted rules that the ownership does not cover: they would be neither applied nor compared, and whoever wants
 * them would believe that they are there. Covered are owned chains, and rules elsewhere in their table that lead into
 * them. A policy ACCEPT of another's built-in chain is no wish, for every save states one. Throws
 * `IPTABLES_RULE_INVALID` with every table, chain, policy and rule that is not covered, and what to add to the ownership.
 */
export function checkCoverage({ family, tables }: RuleSet, ownership: Ownership): void {
  checkOwnership(ownership);
  throwProblems(
    `${family} rules outside of the ownership`,
    tables.flatMap((table) => checkTable(table, ownedChains(ownership, table.name))),
  );
}

/** The same for tables of nftables, which are owned as a whole. Throws `IPTABLES_RULE_INVALID`. */
export function checkNftCoverage(tables: readonly NftTableName[], { nftTables = [] }: Ownership): void {
  const missing = tables.filter(
    ({ family, name }) => !nftTables.some((owned) => owned.family === family && owned.name === name),
  );
  throwProblems(
    'nftables outside of the ownership',
    missing.map(
      ({ family, name }) =>
        `table ${family} ${name} (add { family: '${family}', name: ${JSON.stringify(name)} } to ownership.nftTables)`,
    ),
  );
}

/** Refuses names that are no tables, and what is no list of chains. Throws `IPTABLES_RULE_INVALID`. */
export function checkOwnership(ownership: Ownership): void {
  throwProblems('ownership.chains', malformed(ownership));
}

function throwProblems(what: string, problems: readonly string[]): void {
  if (problems.length === 0) return;
  const more = problems.length - MOST_PROBLEMS;
  const shown = problems.slice(0, MOST_PROBLEMS).join('; ');
  throw new IptablesError('IPTABLES_RULE_INVALID', `${what}: ${shown}${more > 0 ? `; and ${more} more` : ''}`);
}

function malformed({ chains }: Ownership): readonly string[] {
  const given: unknown = chains;
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    return ["want names of chains by table, such as { filter: ['INPUT'] }"];
  return Object.entries(given).flatMap(([table, names]: [string, unknown]) => {
    if (!isTableName(table)) return [`${JSON.stringify(table)} is no table`];
    const listed = Array.isArray(names) && names.every((name) => typeof name === 'string' && name !== '');
    return listed || names === undefined ? [] : [`${table}: want a list of names of chains`];
  });
}

function checkTable(table: Table, owned: readonly string[]): readonly string[] {
  const covered = (rule: Rule) => owned.includes(rule.chain) || leadsInto(rule, owned);
  const entered = new Set(table.rules.filter(covered).map(({ chain }) => chain));
  const builtIn = builtInChains(table.name);
  const add = (chain: string) =>
    `(add ${JSON.stringify(chain)} to ownership.chains.${table.name}${builtIn.includes(chain) ? ': all of its rules are yours then' : ''})`;
  const chains = table.chains.flatMap(({ name, policy }) => {
    if (owned.includes(name)) return [];
    if (policy === 'DROP') return [`${table.name} ${name}: policy DROP ${add(name)}`];
    // A chain of others has to be declared for a rule in it that leads into ours.
    return builtIn.includes(name) || entered.has(name) ? [] : [`${table.name}: chain ${name} ${add(name)}`];
  });
  const rules = table.rules
    .filter((rule) => !covered(rule))
    .map((rule) => `${table.name}: ${renderRule(rule)} ${add(rule.chain)}`);
  return [...chains, ...rules];
}
