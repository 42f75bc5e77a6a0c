import type { Plan, TablePlan } from './plan.ts';

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
    ...rules.flatMap(({ changes }) =>
      changes.map(({ change, text, from, to }) => {
        if (change === 'moved') return `misplaced ${text} (at ${from}, want ${to})`;
        return `${change === 'added' ? 'missing' : 'extra'} ${text}`;
      }),
    ),
  ];
}
