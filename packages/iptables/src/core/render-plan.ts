import type { ChainPlan, Plan, RuleChange, TablePlan } from './plan.ts';

/**
 * The plan for people, like a unified diff: `~` a table, `-` what goes, `+` what comes, `>` a rule that moves; positions
 * behind `#`. The same plan always gives the same text. Ends in a line break; empty if nothing changes.
 */
export function renderPlan({ tables }: Plan): string {
  return tables
    .flatMap(renderTable)
    .map((line) => `${line}\n`)
    .join('');
}

function renderTable(table: TablePlan): readonly string[] {
  const { name, added, removed, policies, rules } = table;
  return [
    `~ ${name}`,
    ...policies.flatMap(({ chain, from, to }) => [`- :${chain} ${from}`, `+ :${chain} ${to}`]),
    ...removed.map((chain) => `- :${chain}`),
    ...added.map((chain) => `+ :${chain}`),
    ...rules.flatMap((chain) => renderChain(chain, table)),
  ];
}

/** Positions say nothing where a whole chain comes or goes. */
function renderChain({ chain, changes }: ChainPlan, { added, removed }: TablePlan): readonly string[] {
  const whole = added.includes(chain) || removed.includes(chain);
  return changes.map((change) => `${signOf(change)} ${change.text}${whole ? '' : `  # ${placeOf(change)}`}`);
}

function signOf({ change }: RuleChange): string {
  return { added: '+', removed: '-', moved: '>' }[change];
}

function placeOf({ change, from, to }: RuleChange): string {
  if (change === 'moved') return `from ${from} to ${to}`;
  return `at ${change === 'added' ? to : from}`;
}
