import { IptablesError } from '../../errors.ts';
import { builtInChains } from '../builtin-chains.ts';
import type { Rule, RuleSet, TableName } from '../rule.ts';

/** The chains of one table, ready to be walked. */
export interface IndexedTable {
  readonly name: TableName;
  readonly chains: ReadonlyMap<string, readonly Rule[]>;
  /** Of built-in chains. */
  readonly policies: ReadonlyMap<string, 'ACCEPT' | 'DROP'>;
}

/**
 * Groups rules by chain, inserted ones (`-I`) at their place; a table named twice continues. Throws
 * `IPTABLES_RULE_INVALID` when chains call each other in a circle, which the kernel refuses.
 */
export function indexChains(ruleSet: RuleSet): ReadonlyMap<TableName, IndexedTable> {
  const tables = new Map<TableName, IndexedTable>();
  for (const name of new Set(ruleSet.tables.map((table) => table.name))) {
    const parts = ruleSet.tables.filter((table) => table.name === name);
    const declared = parts.flatMap((table) => table.chains);
    const chains = new Map<string, Rule[]>(
      [...builtInChains(name), ...declared.map((chain) => chain.name)].map((chain) => [chain, []]),
    );
    const rules = parts.flatMap((table): readonly Rule[] => table.rules);
    for (const rule of rules) {
      const chain = chains.get(rule.chain) ?? [];
      chains.set(rule.chain, chain);
      if (rule.position === undefined) chain.push(rule);
      else chain.splice(rule.position - 1, 0, rule);
    }
    const policies = new Map(
      declared.flatMap((chain) => (chain.policy === undefined ? [] : [[chain.name, chain.policy]])),
    );
    refuseCircles(name, chains);
    tables.set(name, { name, chains, policies });
  }
  return tables;
}

/** Depth first without recursion: chains may be nested as deep as a save is long. */
function refuseCircles(table: TableName, chains: ReadonlyMap<string, readonly Rule[]>): void {
  const done = new Set<string>();
  for (const start of chains.keys()) {
    if (done.has(start)) continue;
    const path = [{ chain: start, callees: callees(chains, start) }];
    const open = new Set([start]);
    for (let last = path.at(-1); last !== undefined; last = path.at(-1)) {
      const next = last.callees.pop();
      if (next === undefined) {
        path.pop();
        open.delete(last.chain);
        done.add(last.chain);
      } else if (open.has(next)) {
        const names = [...path.map(({ chain }) => chain), next];
        throw new IptablesError(
          'IPTABLES_RULE_INVALID',
          `table ${table}: chains call each other in a circle: ${names.slice(names.indexOf(next)).join(' -> ')}`,
        );
      } else if (!done.has(next)) {
        path.push({ chain: next, callees: callees(chains, next) });
        open.add(next);
      }
    }
  }
}

function callees(chains: ReadonlyMap<string, readonly Rule[]>, chain: string): string[] {
  const names = new Set<string>();
  for (const { target } of chains.get(chain) ?? [])
    if ((target?.target === 'jump' || target?.target === 'goto') && chains.has(target.chain)) names.add(target.chain);
  return [...names];
}
