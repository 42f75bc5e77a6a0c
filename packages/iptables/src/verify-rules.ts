import type { AmbientRules } from './ambient-pod-rules.ts';
import type { PolicyRouting } from './core/owned-rules.ts';
import { AMBIENT_POD_OWNERSHIP, compareOwned, extractOwned } from './core/ownership.ts';
import type { RuleSet } from './core/rule.ts';
import { readFirewall } from './firewall.ts';
import { readIpv6State } from './ipv6-state.ts';
import { readRouting } from './policy-routing.ts';
import { type WorkOptions, type Workplace, withWorkplace } from './workplace.ts';

/** Whether one address family is as wanted. */
export interface FamilyReport {
  readonly intact: boolean;
  /** Such as `nat: missing -A OUTPUT -j ISTIO_OUTPUT`; empty exactly when intact. */
  readonly differences: readonly string[];
  /** Why the family was not looked at; it counts as intact then. */
  readonly skipped?: string;
}

/** What {@link verifyRules} found. */
export interface VerifyResult {
  /** Both families are. */
  readonly intact: boolean;
  readonly v4: FamilyReport;
  readonly v6: FamilyReport;
}

/**
 * Reads rules and policy routing back and compares them with `rules`: the ambient chains rule for rule, in order, and
 * the jumps into them. Changes nothing. Throws the codes of `applyRules` except `IPTABLES_RESTORE_FAILED`.
 */
export async function verifyRules(rules: AmbientRules, options: WorkOptions): Promise<VerifyResult> {
  return withWorkplace(options, async (place) => {
    const v4 = await verifyFamily(place, rules.v4, rules.routing, true);
    const v6 = await verifyIpv6(place, rules);
    return { intact: v4.intact && v6.intact, v4, v6 };
  });
}

async function verifyIpv6(place: Workplace, rules: AmbientRules): Promise<FamilyReport> {
  if (rules.v6 === undefined) return { intact: true, differences: [], skipped: 'IPv6 was not asked for' };
  const ipv6 = await readIpv6State(place);
  if (!ipv6.usable) return { intact: true, differences: [], skipped: ipv6.reason };
  return verifyFamily(place, rules.v6, rules.routing, ipv6.loopback);
}

async function verifyFamily(
  place: Workplace,
  wanted: RuleSet,
  routing: PolicyRouting,
  route: boolean,
): Promise<FamilyReport> {
  const [firewall, routes] = await Promise.all([
    readFirewall(place, wanted.family),
    readRouting(place, wanted.family, routing),
  ]);
  const differences = [
    ...compareOwned(extractOwned(firewall, AMBIENT_POD_OWNERSHIP), extractOwned(wanted, AMBIENT_POD_OWNERSHIP)),
    ...(routes.rule ? [] : [`missing ip rule with priority ${routing.priority} to table ${routing.table}`]),
    ...(routes.route || !route ? [] : [`missing local default route in table ${routing.table}`]),
  ];
  return { intact: differences.length === 0, differences };
}
