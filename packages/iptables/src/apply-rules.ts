import type { AmbientRules } from './ambient-pod-rules.ts';
import { AMBIENT_POD_OWNERSHIP, compareOwned, extractOwned, type OwnedTable } from './core/ownership.ts';
import { renderRestore } from './core/render-rule-set.ts';
import type { Family, RuleSet } from './core/rule.ts';
import { renderTransition } from './core/transition.ts';
import { readFirewall, restoreFirewall } from './firewall.ts';
import { readIpv6State } from './ipv6-state.ts';
import { changeRouting, type RoutingState, readRouting } from './policy-routing.ts';
import { type WorkOptions, type Workplace, withWorkplace } from './workplace.ts';

/** `applied`: there was nothing of ours; `repaired`: there was, but different; `unchanged`: all was there already. */
export type FamilyOutcome = 'applied' | 'repaired' | 'unchanged' | 'skipped';

/** What {@link applyRules} did. */
export interface ApplyResult {
  readonly v4: FamilyOutcome;
  readonly v6: FamilyOutcome;
  /** Why IPv6 was skipped, or what of it; for people. Absent if it was not. */
  readonly v6Note?: string;
}

interface FamilyPlan {
  readonly family: Family;
  readonly wanted: RuleSet;
  readonly before: readonly OwnedTable[];
  readonly routing: { readonly current: RoutingState; readonly wanted: RoutingState };
}

/**
 * Makes the namespace's rules and policy routing those of `rules`, all or nothing: when anything fails, or `signal` is
 * aborted, everything done so far is undone before the promise rejects. Rules that exist already are left as they are;
 * ambient rules that differ are replaced without a moment in which they are absent; no other rule is touched.
 *
 * Throws `IPTABLES_NAMESPACE_GONE`, `IPTABLES_PERMISSION`, `IPTABLES_TOOL_MISSING`, `IPTABLES_LOCKED`,
 * `IPTABLES_SAVE_FAILED`, `IPTABLES_RESTORE_FAILED`, `IPTABLES_ROUTING_FAILED`; if undoing failed as well, an
 * `AggregateError` of both is the `cause`.
 */
export async function applyRules(rules: AmbientRules, options: WorkOptions): Promise<ApplyResult> {
  return withWorkplace(options, async (place) => {
    const { plans, note } = await planFamilies(place, rules);
    try {
      // Spec section 6: routes and rules before any firewall rule sends packets their way.
      for (const plan of plans) await changeRouting(place, plan.family, rules.routing, plan.routing);
      for (const plan of plans) await restoreFirewall(place, plan.family, payloadOf(plan));
    } catch (error) {
      await undo(place.uninterrupted(), rules, plans, error);
      throw error;
    }
    const outcome = (family: Family) => {
      const plan = plans.find((candidate) => candidate.family === family);
      return plan === undefined ? 'skipped' : outcomeOf(plan);
    };
    return { v4: outcome('ipv4'), v6: outcome('ipv6'), ...(note === undefined ? {} : { v6Note: note }) };
  });
}

async function planFamilies(
  place: Workplace,
  rules: AmbientRules,
): Promise<{ readonly plans: readonly FamilyPlan[]; readonly note: string | undefined }> {
  const v4 = await planFamily(place, rules.v4, rules, true);
  if (rules.v6 === undefined) return { plans: [v4], note: 'IPv6 was not asked for' };
  const ipv6 = await readIpv6State(place);
  if (!ipv6.usable) return { plans: [v4], note: ipv6.reason };
  const v6 = await planFamily(place, rules.v6, rules, ipv6.loopback);
  return { plans: [v4, v6], note: ipv6.loopback ? undefined : 'no IPv6 route: lo has IPv6 disabled' };
}

async function planFamily(place: Workplace, wanted: RuleSet, rules: AmbientRules, route: boolean): Promise<FamilyPlan> {
  const { family } = wanted;
  const before = extractOwned(await readFirewall(place, family), AMBIENT_POD_OWNERSHIP);
  const current = await readRouting(place, family, rules.routing);
  return { family, wanted, before, routing: { current, wanted: { rule: true, route: route || current.route } } };
}

function payloadOf(plan: FamilyPlan): string {
  if (isEmpty(plan.before)) return renderRestore(plan.wanted);
  return renderTransition(plan.before, extractOwned(plan.wanted, AMBIENT_POD_OWNERSHIP));
}

function outcomeOf({ before, wanted, routing }: FamilyPlan): FamilyOutcome {
  if (isEmpty(before)) return 'applied';
  const same = compareOwned(before, extractOwned(wanted, AMBIENT_POD_OWNERSHIP)).length === 0;
  const routed = routing.current.rule === routing.wanted.rule && routing.current.route === routing.wanted.route;
  return same && routed ? 'unchanged' : 'repaired';
}

function isEmpty(owned: readonly OwnedTable[]): boolean {
  return owned.every(({ chains, jumps }) => chains.size === 0 && jumps.length === 0);
}

/** Puts every family back as it was found, whatever state the failure left it in; goes on after a failure. */
async function undo(
  place: Workplace,
  rules: AmbientRules,
  plans: readonly FamilyPlan[],
  error: unknown,
): Promise<void> {
  const failures: unknown[] = [];
  for (const plan of plans.toReversed()) {
    try {
      const now = extractOwned(await readFirewall(place, plan.family), AMBIENT_POD_OWNERSHIP);
      await restoreFirewall(place, plan.family, renderTransition(now, plan.before, 'original'));
    } catch (failure) {
      failures.push(failure);
    }
    try {
      const current = await readRouting(place, plan.family, rules.routing);
      await changeRouting(place, plan.family, rules.routing, { current, wanted: plan.routing.current });
    } catch (failure) {
      failures.push(failure);
    }
  }
  if (failures.length > 0 && error instanceof Error)
    error.cause = new AggregateError([error.cause, ...failures].filter(Boolean), 'undoing failed as well');
}
