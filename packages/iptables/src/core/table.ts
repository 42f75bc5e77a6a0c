import { IptablesError } from '../errors.ts';
import { ListedRule } from './listed-rule.ts';
import { renderRule } from './render-rule.ts';
import type { Chain, Rule, Table, TableName } from './rule.ts';
import { tableOfTarget } from './targets/target-kinds.ts';

/** Makes a table of rules whose table was not known to the compiler. Throws `IPTABLES_RULE_INVALID` for a target of another table. */
export function buildTable(name: TableName, chains: readonly Chain[], rules: readonly Rule[]): Table {
  switch (name) {
    case 'filter':
      return { name, chains, rules: checkRules(name, rules) };
    case 'mangle':
      return { name, chains, rules: checkRules(name, rules) };
    case 'nat':
      return { name, chains, rules: checkRules(name, rules) };
    case 'raw':
      return { name, chains, rules: checkRules(name, rules) };
    case 'security':
      return { name, chains, rules: checkRules(name, rules) };
  }
}

function checkRules<T extends TableName>(name: T, rules: readonly Rule[]): readonly Rule<T>[] {
  return rules.map((rule) => {
    if (belongs(name, rule)) return rule;
    throw new IptablesError('IPTABLES_RULE_INVALID', `${renderRule(rule)}: this target is not for table ${name}`);
  });
}

function belongs<T extends TableName>(name: T, rule: Rule): rule is Rule<T> {
  if (ListedRule.isOf(rule, name)) return true;
  const only = rule.target === undefined ? undefined : tableOfTarget(rule.target);
  return only === undefined || only === name;
}
