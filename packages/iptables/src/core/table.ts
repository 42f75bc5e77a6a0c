import { IptablesError } from '../errors.ts';
import { renderRule } from './render-rule.ts';
import type { Chain, Rule, Table, TableName, Target } from './rule.ts';

const ONLY_IN: { readonly [K in Target['target']]?: TableName } = {
  REJECT: 'filter',
  TPROXY: 'mangle',
  REDIRECT: 'nat',
  DNAT: 'nat',
  SNAT: 'nat',
  MASQUERADE: 'nat',
  CT: 'raw',
};

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
  const only = rule.target === undefined ? undefined : ONLY_IN[rule.target.target];
  return only === undefined || only === name;
}
