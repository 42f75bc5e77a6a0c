import type { OwnedRules } from './core/owned-rules.ts';
import type { Family, RuleSet } from './core/rule.ts';
import type { Workplace } from './workplace.ts';

/** One address family that is to have rules. */
export interface WantedFamily {
  readonly family: Family;
  /** Absent where there are only rules for the nftables backend. */
  readonly rules?: RuleSet;
  /** Whether `lo` takes a route of this family. */
  readonly route: boolean;
}

/** The families to work on. */
export interface WantedFamilies {
  readonly families: readonly WantedFamily[];
  /** Why IPv6 is not, or not wholly, among them; for people. */
  readonly note: string | undefined;
}

/** Which families have rules and can carry traffic in the namespace. Throws what reading the IPv6 state throws. */
export async function wantedFamilies(place: Workplace, rules: OwnedRules): Promise<WantedFamilies> {
  const { v4, v6 } = rules;
  const both = v4 === undefined && v6 === undefined;
  const families: WantedFamily[] = [];
  if (both) families.push({ family: 'ipv4', route: true });
  if (v4 !== undefined) families.push({ family: 'ipv4', rules: v4, route: true });
  if (!both && v6 === undefined) return { families, note: 'IPv6 was not asked for' };
  const ipv6 = await place.networking.readIpv6State(place.namespace);
  if (!ipv6.usable) return { families, note: ipv6.reason };
  families.push({ family: 'ipv6', route: ipv6.loopback, ...(v6 === undefined ? {} : { rules: v6 }) });
  const noRoute = rules.routing !== undefined && !ipv6.loopback;
  return { families, note: noRoute ? 'no IPv6 route: lo has IPv6 disabled' : undefined };
}
