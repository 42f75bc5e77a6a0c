import type { ApplyStep, WayBack } from './apply-step.ts';
import { awaitAll } from './await-all.ts';
import { checkOption, SWITCH } from './core/check-option.ts';
import { checkOwnedRules } from './core/check-owned-rules.ts';
import type { OwnedRules } from './core/owned-rules.ts';
import type { Family } from './core/rule.ts';
import { IptablesError } from './errors.ts';
import { conflictError, type FirewallStepOptions, planFirewallStep } from './firewall-step.ts';
import { joinErrors } from './join-errors.ts';
import { planNft } from './nft/plan-nft.ts';
import { planRoutingStep } from './routing-step.ts';
import { type WantedFamilies, type WantedFamily, wantedFamilies } from './wanted-families.ts';
import { type WorkOptions, type Workplace, withWorkplaceInTurn } from './workplace.ts';

/** `applied`: there was nothing of ours; `repaired`: there was, but different; `unchanged`: all was there already. */
export type FamilyOutcome = 'applied' | 'repaired' | 'unchanged' | 'skipped';

/** What {@link applyRules} did. */
export interface ApplyResult {
  readonly v4: FamilyOutcome;
  readonly v6: FamilyOutcome;
  /** Why IPv4 was skipped; for people. Absent if it was not. */
  readonly v4Note?: string;
  /** Why IPv6 was skipped, or what of it; for people. Absent if it was not. */
  readonly v6Note?: string;
}

/** Where and how to apply. */
export interface ApplyOptions extends WorkOptions {
  /**
   * False: what is there of ours and differs is left alone, and applying fails with `IPTABLES_CONFLICT`. Default true:
   * it is replaced.
   */
  readonly reconcile?: boolean;
}

/** What is to be done, in two stages: the second begins when all of the first is done. */
interface Work {
  readonly stages: readonly [readonly ApplyStep[], readonly ApplyStep[]];
  readonly firewall: ReadonlyMap<Family, ApplyStep>;
  readonly routing: ReadonlyMap<Family, ApplyStep>;
  readonly notes: WantedFamilies['notes'];
}

/**
 * Makes the firewall and policy routing of a namespace those of `rules`, all or nothing: when anything fails, or
 * `signal` is aborted, everything done so far is undone before the promise rejects. Rules that exist already are left as
 * they are; owned chains that differ are changed without a moment in which they are absent; no other rule is touched.
 * Both address families are attempted even if one fails; two failures are one error with both messages.
 *
 * Throws `IPTABLES_RULE_INVALID`, before anything is read, for rules that `ownership` does not cover: they would not be
 * applied. Throws `IPTABLES_NAMESPACE_GONE`, `IPTABLES_PERMISSION`, `IPTABLES_TOOL_MISSING`, `IPTABLES_LOCKED`,
 * `IPTABLES_SAVE_FAILED`, `IPTABLES_RESTORE_FAILED`, `IPTABLES_ROUTING_FAILED`, `IPTABLES_CONFLICT`; if undoing failed
 * as well, an `AggregateError` of both is the `cause`.
 */
export async function applyRules(rules: OwnedRules, options: ApplyOptions = {}): Promise<ApplyResult> {
  checkOption('reconcile', options.reconcile, SWITCH);
  checkOwnedRules(rules, options.backend ?? 'iptables');
  return withWorkplaceInTurn(options, async (place) => {
    const work = await planWork(place, rules, options);
    if (options.reconcile === false) refuseOther(place, work);
    await carryOut(place, work.stages);
    const [v4Note, v6Note] = [work.notes.get('ipv4'), work.notes.get('ipv6')];
    const outcome = (family: Family) => outcomeOf(work.firewall.get(family), work.routing.get(family));
    return {
      v4: outcome('ipv4'),
      v6: outcome('ipv6'),
      ...(v4Note === undefined ? {} : { v4Note }),
      ...(v6Note === undefined ? {} : { v6Note }),
    };
  });
}

async function planWork(place: Workplace, rules: OwnedRules, options: ApplyOptions): Promise<Work> {
  const { backend = 'iptables', reconcile = true } = options;
  const { families, notes } = await wantedFamilies(place, rules);
  const [firewall = new Map(), routing = new Map()] = await awaitAll([
    backend === 'nftables'
      ? planTables(place, rules, families)
      : planFirewalls(place, families, { ownership: rules.ownership, reconcile }),
    planRouting(place, rules, families),
  ]);
  const steps = { firewall: [...new Set(firewall.values())], routing: [...routing.values()] };
  // Spec section 6: which of the two comes first depends on the backend.
  const stages: Work['stages'] =
    backend === 'nftables' ? [steps.firewall, steps.routing] : [steps.routing, steps.firewall];
  return { stages, firewall, routing, notes };
}

async function planFirewalls(
  place: Workplace,
  families: readonly WantedFamily[],
  options: FirewallStepOptions,
): Promise<ReadonlyMap<Family, ApplyStep>> {
  const steps = families.map(
    async ({ family, rules }): Promise<readonly (readonly [Family, ApplyStep])[]> =>
      rules === undefined ? [] : [[family, await planFirewallStep(place, rules, options)]],
  );
  return new Map((await awaitAll(steps)).flat());
}

/** One step for both families: they share their tables. */
async function planTables(
  place: Workplace,
  { nftables = [], ownership }: OwnedRules,
  families: readonly WantedFamily[],
): Promise<ReadonlyMap<Family, ApplyStep>> {
  const step = await planNft(place, nftables, ownership.nftTables);
  return new Map(families.map(({ family }) => [family, step]));
}

async function planRouting(
  place: Workplace,
  { routing }: OwnedRules,
  families: readonly WantedFamily[],
): Promise<ReadonlyMap<Family, ApplyStep>> {
  if (routing === undefined) return new Map();
  const steps = families.map(
    async ({ family, route }) => [family, await planRoutingStep(place, family, routing, route)] as const,
  );
  return new Map(await awaitAll(steps));
}

function refuseOther(place: Workplace, { firewall }: Work): void {
  for (const [family, { found }] of firewall) if (found === 'other') throw conflictError(place, family);
}

async function carryOut(place: Workplace, stages: Work['stages']): Promise<void> {
  const started: ApplyStep[] = [];
  for (const stage of stages) {
    started.push(...stage);
    const failures: unknown[] = [];
    for (const step of stage) {
      await step.change(place).catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw await undo(place.uninterrupted(), started, joinErrors(failures));
  }
}

function outcomeOf(firewall: ApplyStep | undefined, routing: ApplyStep | undefined): FamilyOutcome {
  if (firewall === undefined && routing === undefined) return 'skipped';
  const steps = [firewall, routing].filter((step) => step !== undefined);
  if (steps.every(({ found }) => found === 'wanted')) return 'unchanged';
  return (firewall ?? routing)?.found === 'nothing' ? 'applied' : 'repaired';
}

/**
 * Puts everything back as it was found; goes on after a failure. What somebody else has changed meanwhile is left, and
 * all else with it: half of what they rely on would be no better. Gives back the error to throw.
 */
async function undo(place: Workplace, steps: readonly ApplyStep[], error: unknown): Promise<unknown> {
  const failures: unknown[] = [];
  const ways: WayBack[] = [];
  for (const step of steps.toReversed())
    await step.planUndo(place).then(
      (way) => ways.push(way),
      (failure: unknown) => failures.push(failure),
    );
  const conflicts = ways.flatMap(({ conflict }) => conflict ?? []);
  const kept = ways.some(({ leavesRules }) => leavesRules);
  if (conflicts.length === 0)
    for (const way of ways.filter(({ reliedOn }) => !(kept && reliedOn)))
      await way.go().catch((failure: unknown) => failures.push(failure));
  else failures.push(leftError(place, conflicts));
  if (failures.length === 0 || !(error instanceof Error)) return error;
  if (conflicts.length > 0 && error instanceof IptablesError) return joinErrors([error, ...failures]);
  error.cause = new AggregateError([error.cause, ...failures].filter(Boolean), 'undoing failed as well');
  return error;
}

function leftError({ namespace }: Workplace, conflicts: readonly string[]): IptablesError {
  return new IptablesError(
    'IPTABLES_CONFLICT',
    `not undone in ${namespace.label}, for another program has changed ${conflicts.join(' and ')} meanwhile: all is left as it is now (verifyRules tells how)`,
  );
}
