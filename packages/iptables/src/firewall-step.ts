import type { ApplyStep } from './apply-step.ts';
import { extractOwned, extractOwnedInPlace, type Ownership, ownedTables, withOpenPolicies } from './core/ownership.ts';
import { isEmptyPlan, plan } from './core/plan.ts';
import { renderPlanRestore } from './core/render-plan-restore.ts';
import { renderRestore } from './core/render-rule-set.ts';
import type { RuleSet } from './core/rule.ts';
import { readFirewall, restoreFirewall } from './firewall.ts';
import type { Workplace } from './workplace.ts';

/**
 * Reads the firewall of one family and plans what it lacks. Chains of the same names that an older release has left are
 * replaced like any other difference. The guardrails of the reference (spec section 9: rules that drop everything while
 * it replaces) are not needed: each table changes in one transaction, and no moment is without capture.
 * Throws what `readFirewall` throws.
 */
export async function planFirewallStep(place: Workplace, rules: RuleSet, ownership: Ownership): Promise<ApplyStep> {
  const { family } = rules;
  const wanted = extractOwned(rules, ownership);
  const listing = await readFirewall(place, family, ownedTables(ownership));
  const before = extractOwnedInPlace(listing, ownership);
  const change = plan(listing, wanted, { ownership });
  const nothingThere = before.tables.length === 0;
  // The text of the reference (spec section 4) where there is nothing of ours.
  const fresh = nothingThere && !isEmptyPlan(change) && canBeFirst(wanted);
  const payload = fresh ? renderRestore(wanted) : renderPlanRestore(change);
  return {
    found: isEmptyPlan(change) ? 'wanted' : nothingThere ? 'nothing' : 'other',
    change: async (where) => restoreFirewall(where, family, payload),
    undo: async (where) => {
      if (isEmptyPlan(change)) return;
      const now = await readFirewall(where, family, ownedTables(ownership));
      await restoreFirewall(
        where,
        family,
        renderPlanRestore(plan(now, withOpenPolicies(before, ownership), { ownership })),
      );
    },
  };
}

/** Other positions need so many rules of others before them, which the plan knows about. */
function canBeFirst({ tables }: RuleSet): boolean {
  return tables.every(({ rules }) => rules.every(({ position = 1 }) => position === 1));
}
