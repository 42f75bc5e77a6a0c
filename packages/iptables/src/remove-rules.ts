import { AMBIENT_POLICY_ROUTING } from './ambient-pod-rules.ts';
import { AMBIENT_POD_OWNERSHIP, extractOwned } from './core/ownership.ts';
import type { Family } from './core/rule.ts';
import { renderTransition } from './core/transition.ts';
import { readFirewall, restoreFirewall } from './firewall.ts';
import { readIpv6State } from './ipv6-state.ts';
import { removeRouting } from './policy-routing.ts';
import { type WorkOptions, type Workplace, withWorkplace } from './workplace.ts';

/**
 * Removes the ambient chains of every release and form, all rules that lead into them, and the policy routing; no other
 * rule is touched, and removing what is not there is no error. Both families are attempted, whatever happens to one.
 * Throws the codes of `applyRules`; an `AggregateError` of both when both families failed.
 */
export async function removeRules(options: WorkOptions): Promise<void> {
  await withWorkplace(options, async (place) => {
    const families: Family[] = (await hasIpv6(place)) ? ['ipv4', 'ipv6'] : ['ipv4'];
    const results = await Promise.allSettled(families.map((family) => removeFamily(place, family)));
    const failures = results.filter((result) => result.status === 'rejected').map(({ reason }) => toError(reason));
    if (failures.length > 1) throw new AggregateError(failures, 'remove the rules of both address families');
    for (const failure of failures) throw failure;
  });
}

/** The firewall goes first: without it nothing sends packets to the table. */
async function removeFamily(place: Workplace, family: Family): Promise<void> {
  const current = extractOwned(await readFirewall(place, family), AMBIENT_POD_OWNERSHIP);
  const nothing = extractOwned({ family, tables: [] }, AMBIENT_POD_OWNERSHIP);
  await restoreFirewall(place, family, renderTransition(current, nothing));
  await removeRouting(place, family, AMBIENT_POLICY_ROUTING);
}

/** Rules may have been written before IPv6 was disabled, so only a kernel or a machine without it counts. */
async function hasIpv6(place: Workplace): Promise<boolean> {
  if (place.tools.v6 === undefined) return false;
  const state = await readIpv6State(place);
  return state.usable || state.kernel;
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
