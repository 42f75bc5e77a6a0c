import { isTableName } from './core/builtin-chains.ts';
import { isEmptyPlan, type Plan } from './core/plan.ts';
import { renderPlanRestore } from './core/render-plan-restore.ts';
import type { TableName } from './core/rule.ts';
import { IptablesError } from './errors.ts';
import { restoreFirewall } from './firewall.ts';
import type { ToolPlace } from './tool-place.ts';

/** What is to change, planned for what there was when it was read. */
export interface FirewallChange {
  readonly plan: Plan;
  /** The plan as text for `iptables-restore`. */
  readonly payload: string;
}

/** Whoever loses as often as that against other programs is told. */
const MOST_ATTEMPTS = 4;

/**
 * Carries a change out. Where it is refused because another program changed the same tables meanwhile, it is planned
 * anew, for there is nothing wrong with the rules. Adds to `written` the tables that may have been changed, also if it
 * throws: what `restoreFirewall` and `planAgain` throw.
 */
export async function carryOutChange(
  place: ToolPlace,
  first: FirewallChange,
  written: Set<TableName>,
  planAgain: () => Promise<FirewallChange>,
): Promise<void> {
  let change = first;
  for (let attempt = 1; change.payload !== ''; attempt++) {
    const { plan, payload } = change;
    try {
      await restoreFirewall(place, plan.family, payload);
      for (const { name } of plan.tables) written.add(name);
      return;
    } catch (error) {
      for (const table of committedTables(error, payload)) written.add(table);
      const refused = error instanceof IptablesError && error.code === 'IPTABLES_RESTORE_FAILED';
      if (!refused || attempt === MOST_ATTEMPTS) throw error;
      change = await planAgain();
      if (!isEmptyPlan(change.plan) && isPartOf(change.plan, plan)) throw error;
    }
  }
}

/** Tables are committed one by one; after an abort nobody knows how many were. */
function committedTables(error: unknown, payload: string): readonly TableName[] {
  const lines = payload.split('\n');
  const tables = lines.flatMap((line) => (line.startsWith('* ') ? [line.slice('* '.length)] : []));
  if (!(error instanceof IptablesError)) return tables.filter(isTableName);
  // A program that failed has not come to the last one.
  if (error.line === undefined) return tables.slice(0, -1).filter(isTableName);
  const commits = lines.slice(0, error.line - 1).filter((line) => line === 'COMMIT').length;
  return tables.slice(0, commits).filter(isTableName);
}

/** Whether the same is to be done as before, less what was done: then nobody else is to blame. */
function isPartOf(next: Plan, before: Plan): boolean {
  const asked = new Set(textsByTable(before));
  return textsByTable(next).every((text) => asked.has(text));
}

function textsByTable({ family, tables }: Plan): readonly string[] {
  return tables.map((table) => renderPlanRestore({ family, tables: [table] }));
}
