import type { Rule, RuleSet, TableName } from './rule.ts';

/** One table by chain. */
export interface SortedTable {
  /** Every chain that is declared or has a rule; rules in the order written. */
  readonly rules: ReadonlyMap<string, readonly Rule[]>;
  readonly policies: ReadonlyMap<string, 'ACCEPT' | 'DROP'>;
}

/** Finds a table of the rule set and sorts it by chain; empty if it is not there. A table that is there twice is one. */
export function sortTable(ruleSet: RuleSet, name: TableName): SortedTable {
  const rules = new Map<string, Rule[]>();
  const policies = new Map<string, 'ACCEPT' | 'DROP'>();
  for (const table of ruleSet.tables) {
    if (table.name !== name) continue;
    for (const chain of table.chains) {
      if (!rules.has(chain.name)) rules.set(chain.name, []);
      if (chain.policy !== undefined) policies.set(chain.name, chain.policy);
    }
    for (const rule of table.rules) {
      const known = rules.get(rule.chain);
      if (known === undefined) rules.set(rule.chain, [rule]);
      else known.push(rule);
    }
  }
  return { rules, policies };
}
