import type { ApplyStep, WayBack } from './apply-step.ts';
import { builtInChains } from './core/builtin-chains.ts';
import {
  extractOwned,
  extractOwnedInPlace,
  type Ownership,
  ownedChains,
  ownedTables,
  withOpenPolicies,
} from './core/ownership.ts';
import { isEmptyPlan, type Plan, plan } from './core/plan.ts';
import { renderPlanRestore } from './core/render-plan-restore.ts';
import { renderRestore } from './core/render-rule-set.ts';
import type { Family, RuleSet, TableName } from './core/rule.ts';
import { buildTable } from './core/table.ts';
import { IptablesError } from './errors.ts';
import { readFirewall, restoreFirewall } from './firewall.ts';
import { carryOutChange, type FirewallChange } from './firewall-change.ts';
import type { ToolPlace } from './tool-place.ts';

/** Whose rules, and whether those that are there and differ may be replaced. */
export interface FirewallStepOptions {
  readonly ownership: Ownership;
  readonly reconcile: boolean;
}

/**
 * Reads the firewall of one family and plans what it lacks. Chains of the same names that an older release has left are
 * replaced like any other difference. The guardrails of the reference (spec section 9: rules that drop everything while
 * it replaces) are not needed: each table changes in one transaction, and no moment is without capture.
 * Throws what `readFirewall` and `plan` throw, and `IPTABLES_CONFLICT`.
 */
export async function planFirewallStep(
  place: ToolPlace,
  rules: RuleSet,
  options: FirewallStepOptions,
): Promise<ApplyStep> {
  const step = new FirewallStep(rules, options);
  await step.plan(place);
  return step;
}

class FirewallStep implements ApplyStep {
  readonly #family: Family;
  readonly #wanted: RuleSet;
  readonly #ownership: Ownership;
  readonly #reconcile: boolean;
  /** Tables that this step may have changed. */
  readonly #written = new Set<TableName>();
  /** What each table was before this step changed it. */
  readonly #before = new Map<TableName, RuleSet>();
  /** Somebody else wrote there after it was read first. */
  #disturbed = false;
  /** Table and name of each chain in which this step meant to change rules. */
  readonly #touched = new Set<string>();
  #change: FirewallChange;
  #found: ApplyStep['found'] = 'wanted';

  constructor(rules: RuleSet, { ownership, reconcile }: FirewallStepOptions) {
    this.#family = rules.family;
    this.#ownership = ownership;
    this.#reconcile = reconcile;
    this.#wanted = extractOwned(rules, ownership);
    this.#change = { plan: { family: rules.family, tables: [] }, payload: '' };
  }

  get found(): ApplyStep['found'] {
    return this.#found;
  }

  async plan(place: ToolPlace): Promise<FirewallChange> {
    const listing = await this.#read(place);
    const change = plan(listing, this.#wanted, { ownership: this.#ownership });
    const there = this.#remember(listing);
    for (const { name, rules } of change.tables) for (const { chain } of rules) this.#touched.add(`${name} ${chain}`);
    this.#found = isEmptyPlan(change) ? 'wanted' : there ? 'other' : 'nothing';
    if (this.#found === 'other' && !this.#reconcile) throw conflictError(place, this.#family);
    // The text of the reference (spec section 4) where there is nothing of ours.
    const fresh = this.#found === 'nothing' && this.#written.size === 0 && canBeFirst(this.#wanted);
    this.#change = { plan: change, payload: fresh ? renderRestore(this.#wanted) : renderPlanRestore(change) };
    return this.#change;
  }

  async change(place: ToolPlace): Promise<void> {
    await carryOutChange(place, this.#change, this.#written, async () => this.plan(place));
  }

  async planUndo(place: ToolPlace): Promise<WayBack> {
    const now = await this.#read(place);
    const foreign = ownedTables(this.#ownership).filter((table) => !this.#isExplained(now, table));
    const back = this.#wayBack(now);
    return {
      ...(foreign.length === 0 ? {} : { conflict: `${foreign.join(', ')} of ${this.#family}` }),
      leavesRules:
        this.#disturbed && extractOwned(this.#beforeOf([...this.#before.keys()]), this.#ownership).tables.length > 0,
      go: async () => restoreFirewall(place, this.#family, renderPlanRestore(back)),
    };
  }

  async #read(place: ToolPlace): Promise<RuleSet> {
    return readFirewall(place, this.#family, ownedTables(this.#ownership));
  }

  /** Whether there is anything of ours that this step did not write. */
  #remember(listing: RuleSet): boolean {
    const unwritten = ownedTables(this.#ownership).filter((table) => !this.#written.has(table));
    for (const table of unwritten) {
      if (this.#before.has(table) && !this.#isExplained(listing, table)) this.#disturbed = true;
      this.#before.set(table, only(listing, table));
    }
    return unwritten.some((table) => extractOwnedInPlace(only(listing, table), this.#ownership).tables.length > 0);
  }

  /** As this step found it, or as it left it. Places do not count: others may have inserted their own rules. */
  #isExplained(now: RuleSet, table: TableName): boolean {
    const ownership = this.#ownershipOf([table]);
    const before = withoutOthersChains(extractOwned(this.#beforeOf([table]), ownership), ownership);
    if (isSameButPlaces(now, before, ownership)) return true;
    return this.#written.has(table) && isSameButPlaces(now, only(this.#wanted, table), ownership);
  }

  #wayBack(now: RuleSet): Plan {
    const ownership = this.#ownershipOf([...this.#written]);
    const before = extractOwnedInPlace(this.#beforeOf([...this.#written]), ownership);
    const wanted = withoutOthersChains(before, ownership, this.#touched);
    return plan(now, withOpenPolicies(wanted, ownership), { ownership, positions: 'nearest' });
  }

  #beforeOf(tables: readonly TableName[]): RuleSet {
    return { family: this.#family, tables: tables.flatMap((table) => this.#before.get(table)?.tables ?? []) };
  }

  #ownershipOf(tables: readonly TableName[]): Ownership {
    return { chains: Object.fromEntries(tables.map((table) => [table, ownedChains(this.#ownership, table)])) };
  }
}

/** What there is to say where other rules of ours are not to be replaced. */
export function conflictError({ namespace }: ToolPlace, family: Family): IptablesError {
  return new IptablesError(
    'IPTABLES_CONFLICT',
    `${namespace.label} has other ${family} rules in our chains (left by another release? reconcile replaces them)`,
  );
}

/** Other positions need so many rules of others before them, which the plan knows about. */
function canBeFirst({ tables }: RuleSet): boolean {
  return tables.every(({ rules }) => rules.every(({ position = 1 }) => position === 1));
}

function only({ family, tables }: RuleSet, table: TableName): RuleSet {
  return { family, tables: tables.filter(({ name }) => name === table) };
}

/** Less the rules in chains of others, which come and go with these, except in those of `touched`. */
function withoutOthersChains(
  { family, tables }: RuleSet,
  ownership: Ownership,
  touched: ReadonlySet<string> = new Set(),
): RuleSet {
  const kept = tables.map((table) => {
    const known = [...builtInChains(table.name), ...ownedChains(ownership, table.name)];
    const counts = (chain: string) => known.includes(chain) || touched.has(`${table.name} ${chain}`);
    return buildTable(
      table.name,
      table.chains,
      table.rules.filter(({ chain }) => counts(chain)),
    );
  });
  return { family, tables: kept };
}

function isSameButPlaces(now: RuleSet, then: RuleSet, ownership: Ownership): boolean {
  const { tables } = plan(now, then, { ownership, positions: 'nearest' });
  return tables.every(
    ({ added, removed, policies, rules }) =>
      added.length + removed.length + policies.length === 0 &&
      rules.every(({ changes }) => changes.every(({ change }) => change === 'moved')),
  );
}
