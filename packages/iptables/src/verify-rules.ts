import { awaitAll } from './await-all.ts';
import { checkOwnedRules } from './core/check-owned-rules.ts';
import { describeDifferences } from './core/describe-plan.ts';
import type { OwnedRules, PolicyRouting } from './core/owned-rules.ts';
import { type Ownership, ownedChains, ownedTables } from './core/ownership.ts';
import { plan } from './core/plan.ts';
import type { Family, RuleSet } from './core/rule.ts';
import { IptablesError } from './errors.ts';
import { readFirewall } from './firewall.ts';
import { verifyNft } from './nft/verify-nft.ts';
import { type WantedFamily, wantedFamilies } from './wanted-families.ts';
import { type WorkOptions, type Workplace, withWorkplaceInTurn } from './workplace.ts';

/** Whether one address family is as wanted. */
export interface FamilyReport {
  readonly intact: boolean;
  /** Such as `nat: missing -A OUTPUT -j ISTIO_OUTPUT`; empty exactly when intact. */
  readonly differences: readonly string[];
  /** Why the family was not looked at; it counts as intact then, though its traffic may pass as it likes. */
  readonly skipped?: string;
}

/** What {@link verifyRules} found. */
export interface VerifyResult {
  /** Everything that was looked at is. */
  readonly intact: boolean;
  /** Somebody has rules there, or chains of ours are left: there is something to compare with (spec section 9). */
  readonly residue: boolean;
  readonly v4: FamilyReport;
  readonly v6: FamilyReport;
}

/** What is there of one family. */
interface Look {
  readonly differences: readonly string[];
  readonly residue: boolean;
}

const NOTHING: Look = { differences: [], residue: false };

/**
 * Reads rules and policy routing back and compares them with `rules`: the owned chains rule for rule, in order, with the
 * policies that are wanted of them, and the rules that lead into them. What the ownership does not cover is refused. Changes nothing. With backend `nftables` the differences of tables, which both families
 * share, are in both reports. Throws the codes of `applyRules` except `IPTABLES_RESTORE_FAILED`.
 */
export async function verifyRules(rules: OwnedRules, options: WorkOptions = {}): Promise<VerifyResult> {
  checkOwnedRules(rules, options.backend ?? 'iptables');
  return withWorkplaceInTurn(options, async (place) => {
    const { families, notes } = await wantedFamilies(place, rules);
    const shared =
      options.backend === 'nftables'
        ? await verifyNft(place, rules.nftables ?? [], rules.ownership.nftTables)
        : NOTHING;
    const looks = await awaitAll(
      families.map(async (wanted) => ({
        family: wanted.family,
        look: await lookAt(place, rules, options.backend === 'nftables' ? { ...wanted, rules: undefined } : wanted),
      })),
    );
    const report = (name: Family): FamilyReport => {
      const found = looks.find(({ family }) => family === name)?.look;
      if (found === undefined) return { intact: true, differences: [], skipped: notes.get(name) ?? 'not asked for' };
      const differences = [...shared.differences, ...found.differences];
      return { intact: differences.length === 0, differences };
    };
    const [v4, v6] = [report('ipv4'), report('ipv6')];
    const residue = shared.residue || looks.some(({ look }) => look.residue);
    return { intact: v4.intact && v6.intact, residue, v4, v6 };
  });
}

async function lookAt(
  place: Workplace,
  { ownership, routing }: OwnedRules,
  wanted: Omit<WantedFamily, 'rules'> & { readonly rules?: RuleSet | undefined },
): Promise<Look> {
  const found = await awaitAll([
    wanted.rules === undefined ? Promise.resolve(NOTHING) : lookAtFirewall(place, wanted.rules, ownership),
    routing === undefined ? Promise.resolve(NOTHING) : lookAtRouting(place, routing, wanted),
  ]);
  return {
    differences: found.flatMap(({ differences }) => differences),
    residue: found.some(({ residue }) => residue),
  };
}

async function lookAtFirewall(place: Workplace, wanted: RuleSet, ownership: Ownership): Promise<Look> {
  const listing = await readFirewall(place, wanted.family, ownedTables(ownership));
  return {
    differences: findDifferences(listing, wanted, ownership),
    residue: listing.tables.some(
      ({ name: table, chains, rules }) =>
        rules.length > 0 ||
        chains.some(({ name, policy }) => policy !== 'ACCEPT' && ownedChains(ownership, table).includes(name)),
    ),
  };
}

/** A position that its chain has not is a difference like others, which applying refuses. */
function findDifferences(listing: RuleSet, wanted: RuleSet, ownership: Ownership): readonly string[] {
  try {
    return describeDifferences(plan(listing, wanted, { ownership }));
  } catch (error) {
    if (!(error instanceof IptablesError)) throw error;
    const others = plan(listing, wanted, { ownership, positions: 'nearest' });
    return [error.message, ...describeDifferences(others)];
  }
}

async function lookAtRouting(
  { networking, namespace }: Workplace,
  routing: PolicyRouting,
  { family, route }: Pick<WantedFamily, 'family' | 'route'>,
): Promise<Look> {
  const found = await networking.readRouting(namespace, family, routing);
  const differences = [
    ...(found.rule ? [] : [`missing ip rule with priority ${routing.priority} to table ${routing.table}`]),
    ...(found.route || !route ? [] : [`missing local default route in table ${routing.table}`]),
  ];
  return { differences, residue: false };
}
