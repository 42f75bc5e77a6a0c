import type { Plan, RuleChange, TablePlan } from './plan.ts';

/**
 * The plan as findings about what is there, one line each, such as `nat: missing -A OUTPUT -j ISTIO_OUTPUT`; none if the
 * plan is empty.
 */
export function describeDifferences({ tables }: Plan): readonly string[] {
  return tables.flatMap((table) => describeTable(table).map((line) => `${table.name}: ${line}`));
}

function describeTable({ added, removed, policies, rules }: TablePlan): readonly string[] {
  return [
    ...policies.map(({ chain, from, to }) => `policy of ${chain} is ${from}, want ${to}`),
    ...added.map((chain) => `missing chain ${chain}`),
    ...removed.map((chain) => `extra chain ${chain}`),
    ...rules.flatMap(({ changes }) => {
      const extra = changes.some(({ change }) => change === 'removed');
      return changes.map((change) => `${describeChange(change)}${extra && isRaw(change) ? RAW_HINT : ''}`);
    }),
  ];
}

/** Raw text is compared as it is, so that another spelling of the same is a difference for ever. */
const RAW_HINT = ' (is an extra rule here how the kernel writes its raw text?)';

function isRaw({ change, rule }: RuleChange): boolean {
  return change === 'added' && (rule.target?.target === 'raw' || rule.matches.some(({ match }) => match === 'raw'));
}

function describeChange({ change, text, from, to }: RuleChange): string {
  if (change === 'moved') return `misplaced ${text} (at ${from}, want ${to})`;
  return `${change === 'added' ? 'missing' : 'extra'} ${text}`;
}
