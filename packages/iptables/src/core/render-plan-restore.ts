import type { ChainPlan, Plan, RuleChange, TablePlan } from './plan.ts';

/**
 * Text for `iptables-restore --noflush` that carries out the plan and nothing else; empty if nothing changes. Each table
 * changes in one transaction, so that no chain or rule that stays is absent in between. Rules that stay keep their
 * counters. In chains that are shared with others, rules are deleted by text: a position may be another's by now.
 */
export function renderPlanRestore({ tables }: Plan): string {
  return tables
    .flatMap((table) => [`* ${table.name}`, ...tableLines(table), 'COMMIT'])
    .map((line) => `${line}\n`)
    .join('');
}

/** Chains are there before what leads into them, and go after it. */
function tableLines({ added, removed, policies, rules }: TablePlan): readonly string[] {
  const staying = rules.filter(({ chain }) => !removed.includes(chain));
  return [
    ...policies.map(({ chain, to }) => `-P ${chain} ${to}`),
    ...added.map((chain) => `-N ${chain}`),
    ...staying.flatMap(deletions),
    ...removed.map((chain) => `-F ${chain}`),
    ...removed.map((chain) => `-X ${chain}`),
    ...staying.flatMap(insertions),
  ];
}

function deletions({ chain, kept, shared, changes }: ChainPlan): readonly string[] {
  const going = changes.filter(({ from }) => from !== undefined);
  if (going.length === 0) return [];
  if (!shared && kept === 0) return [`-F ${chain}`];
  const byText = shared ? going.filter(({ ambiguous }) => ambiguous !== true) : [];
  const byPosition = shared ? going.filter(({ ambiguous }) => ambiguous === true) : going;
  return [
    // From the last on, so that the positions of the others stay valid.
    ...positions(byPosition, 'from')
      .toReversed()
      .map(([position]) => `-D ${chain} ${position}`),
    ...byText.map(({ text }) => `-D ${text.slice('-A '.length)}`),
  ];
}

/** From the first on, so that each finds the place it is to have. What comes behind all that stays is appended. */
function insertions({ chain, kept, shared, changes }: ChainPlan): readonly string[] {
  const coming = positions(changes, 'to');
  const length = kept + coming.length;
  const lastGap = coming.findLastIndex(([position], index) => position !== length - (coming.length - 1 - index));
  return coming.map(([position, { text, rule }], index) =>
    index > lastGap && !(shared && rule.position !== undefined)
      ? text
      : `-I ${chain} ${position}${text.slice(`-A ${chain}`.length)}`,
  );
}

function positions(changes: readonly RuleChange[], side: 'from' | 'to'): readonly (readonly [number, RuleChange])[] {
  return changes
    .flatMap((change) => {
      const position = change[side];
      return position === undefined ? [] : [[position, change] as const];
    })
    .toSorted(([a], [b]) => a - b);
}
