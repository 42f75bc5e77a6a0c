import type { Rule, RuleSet, TableName } from './rule.ts';

/** One table by chain. */
export interface SortedTable {
  /** Every chain that is declared or has a rule; rules in the order written. */
  readonly rules: ReadonlyMap<string, readonly Rule[]>;
  readonly policies: ReadonlyMap<string, 'ACCEPT' | 'DROP'>;
}

/** Of chains without rules; a chain that has some gets its own list. */
const NONE: Rule[] = [];

/** Finds a table of the rule set and sorts it by chain; empty if it is not there. A table that is there twice is one. */
export function sortTable(ruleSet: RuleSet, name: TableName): SortedTable {
  const rules = new Map<string, Rule[]>();
  const policies = new Map<string, 'ACCEPT' | 'DROP'>();
  for (const table of ruleSet.tables) {
    if (table.name !== name) continue;
    for (const chain of table.chains) {
      if (!rules.has(chain.name)) rules.set(chain.name, NONE);
      if (chain.policy !== undefined) policies.set(chain.name, chain.policy);
    }
    const all: readonly Rule[] = table.rules;
    for (let start = 0; start < all.length; ) {
      const chain = all[start]?.chain ?? '';
      let end = start + 1;
      while (all[end]?.chain === chain) end++;
      // Most often one run is all there is, and its own list takes no more room than it needs.
      const run = all.slice(start, end);
      const known = rules.get(chain);
      if (known === undefined || known.length === 0) rules.set(chain, run);
      else for (const rule of run) known.push(rule);
      start = end;
    }
  }
  return { rules, policies };
}
