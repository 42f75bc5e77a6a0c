import type { TableName } from './rule.ts';

/** Built-in chains in hook order, tables in the order the nft variant of `iptables-save` prints them. */
const BUILT_IN: { readonly [T in TableName]: readonly string[] } = {
  mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
  security: ['INPUT', 'FORWARD', 'OUTPUT'],
  raw: ['PREROUTING', 'OUTPUT'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
};

/** Tables in listing order. */
export const TABLE_NAMES: readonly TableName[] = Object.keys(BUILT_IN).filter(isTableName);

/** Names of the built-in chains of a table, in hook order. */
export function builtInChains(table: TableName): readonly string[] {
  return BUILT_IN[table];
}

/** The built-in chain, of whatever table, that `name` spells, in capitals or not; undefined where it spells none. */
export function builtInSpelled(name: string): string | undefined {
  const capital = name.toUpperCase();
  return BUILT_IN.mangle.includes(capital) ? capital : undefined;
}

/** Whether `name` is a table this package knows. */
export function isTableName(name: string): name is TableName {
  return Object.hasOwn(BUILT_IN, name);
}
