import { checkOwnership } from './core/check-coverage.ts';
import type { NftTableName } from './core/nft-script.ts';
import type { OwnedRules } from './core/owned-rules.ts';
import { type Ownership, ownedTables, withOpenPolicies, withoutBuiltIn } from './core/ownership.ts';
import { plan } from './core/plan.ts';
import { renderPlanRestore } from './core/render-plan-restore.ts';
import type { Chain, Family, RuleSet } from './core/rule.ts';
import { buildTable } from './core/table.ts';
import { readFirewall } from './firewall.ts';
import { carryOutChange, type FirewallChange } from './firewall-change.ts';
import { joinErrors } from './join-errors.ts';
import { removeNft } from './nft/remove-nft.ts';
import { type WorkOptions, type Workplace, withWorkplaceInTurn } from './workplace.ts';

/** What to remove. Any `OwnedRules` will do: which rules there are in the owned chains does not matter. */
export interface RemovableRules extends Pick<OwnedRules, 'v4' | 'v6' | 'ownership' | 'routing'> {
  /** Further tables that go as a whole, with backend `nftables`. */
  readonly nftables?: readonly NftTableName[];
}

/**
 * Removes the owned chains, all rules that lead into them, whatever they are, and the policy routing; no other rule is
 * touched, and removing what is not there is no error. Owned built-in chains are emptied and get policy ACCEPT: where
 * `v4` or `v6` is given, only in that family, and only where it states a policy. Everything is attempted, whatever fails; several failures are one
 * error with all messages. Throws the codes of `applyRules`.
 */
export async function removeRules(what: RemovableRules, options: WorkOptions = {}): Promise<void> {
  checkOwnership(what.ownership);
  await withWorkplaceInTurn(options, async (place) => {
    const families: readonly Family[] = (await hasIpv6(place)) ? ['ipv4', 'ipv6'] : ['ipv4'];
    const failures: unknown[] = [];
    const attempt = async (work: Promise<void>) => work.catch((error: unknown) => void failures.push(error));
    // The firewall goes first: without it nothing sends packets to the table.
    if (options.backend === 'nftables')
      await attempt(removeNft(place, [...(what.ownership.nftTables ?? []), ...(what.nftables ?? [])]));
    else for (const family of families) await attempt(removeFirewall(place, family, what));
    for (const family of families) await attempt(removeRouting(place, family, what));
    if (failures.length > 0) throw joinErrors(failures);
  });
}

async function removeFirewall(place: Workplace, family: Family, what: RemovableRules): Promise<void> {
  const { v4, v6 } = place.tools;
  // Where only the other family has programs, this one cannot have rules; without any, something is wrong.
  if (family === 'ipv6' ? v6 === undefined : v4 === undefined && v6 !== undefined) return;
  const { ownership, left } = whatIsLeft(family, what);
  const planRemoval = async (): Promise<FirewallChange> => {
    const listing = await readFirewall(place, family, ownedTables(what.ownership));
    const change = plan(listing, left, { ownership });
    return { plan: change, payload: renderPlanRestore(change) };
  };
  await carryOutChange(place, await planRemoval(), new Set(), planRemoval);
}

/** What was never ours in a family, as far as the rules tell, is not opened: somebody else's built-in chains, or policies. */
function whatIsLeft(
  family: Family,
  { v4, v6, ownership }: RemovableRules,
): { readonly ownership: Ownership; readonly left: RuleSet } {
  const nothing: RuleSet = { family, tables: [] };
  const applied = family === 'ipv4' ? v4 : v6;
  if (applied !== undefined) return { ownership, left: openedPolicies(applied) };
  if (v4 !== undefined || v6 !== undefined) return { ownership: withoutBuiltIn(ownership), left: nothing };
  return { ownership, left: withOpenPolicies(nothing, ownership) };
}

function openedPolicies({ family, tables }: RuleSet): RuleSet {
  const opened = tables.map(({ name, chains }) => {
    const stated = chains.filter(({ policy }) => policy !== undefined);
    return buildTable(
      name,
      stated.map((chain): Chain => ({ name: chain.name, policy: 'ACCEPT' })),
      [],
    );
  });
  return { family, tables: opened };
}

async function removeRouting(
  { networking, namespace }: Workplace,
  family: Family,
  { routing }: RemovableRules,
): Promise<void> {
  if (routing === undefined) return;
  const current = await networking.readRouting(namespace, family, routing);
  if (!current.rule && !current.route) return;
  await networking.changeRouting(namespace, family, routing, { current, wanted: { rule: false, route: false } });
}

/** Rules may have been written before IPv6 was disabled, so only a kernel without it counts. */
async function hasIpv6({ networking, namespace }: Workplace): Promise<boolean> {
  const state = await networking.readIpv6State(namespace);
  return state.usable || state.kernel;
}
