import { builtInChains, TABLE_NAMES } from '../core/builtin-chains.ts';
import type { Chain, Family, Match, Rule, RuleSet, Table, TableName } from '../core/rule.ts';
import { buildTable } from '../core/table.ts';
import { PROXY_MARK, RETURN_MARK } from './marks.ts';

/** One rule with its table. Lists of rows are in the generation order of the specification, tables mixed. */
export type RuleRow = { [T in TableName]: { readonly table: T; readonly rule: Rule<T> } }[TableName];

/** `-p tcp`. */
export const TCP: Match = { match: 'protocol', protocol: 'tcp' };
/** `-p udp`. */
export const UDP: Match = { match: 'protocol', protocol: 'udp' };
/** The packet comes from a socket of the proxy. */
export const FROM_PROXY: Match = { match: 'mark', mark: PROXY_MARK };
/** The packet does not come from a socket of the proxy. */
export const NOT_FROM_PROXY: Match = { match: 'mark', mark: PROXY_MARK, negated: true };
/** The packet answers the proxy. */
export const TO_PROXY: Match = { match: 'mark', mark: RETURN_MARK };

/** Sorts rows into tables and declares the chains they use. */
export function arrangeRows(family: Family, rows: readonly RuleRow[]): RuleSet {
  const names = [...new Set(rows.map(({ table }) => table))].toSorted();
  return { family, tables: names.map((name) => arrangeTable(name, rows)) };
}

function arrangeTable(name: TableName, rows: readonly RuleRow[]): Table {
  const rules = rows.filter(({ table }) => table === name).map(({ rule }) => rule);
  return buildTable(name, declareChains(rules), rules);
}

/** The order of the reference (spec section 4): chains as rules in them are met, then jump targets not yet declared. */
function declareChains(rules: readonly Rule[]): readonly Chain[] {
  const builtIn = new Set(TABLE_NAMES.flatMap((name) => builtInChains(name)));
  const targets = rules.map(({ target }) => (target?.target === 'jump' ? target.chain : undefined));
  const names = new Set([...rules.map(({ chain }) => chain), ...targets.filter((name) => name !== undefined)]);
  return [...names].filter((name) => !builtIn.has(name)).map((name) => ({ name }));
}
