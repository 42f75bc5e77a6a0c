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
  /** Why a family is not, or not wholly, among them; for people. */
  readonly notes: ReadonlyMap<Family, string>;
}

/** Which families have rules and can carry traffic in the namespace. Throws what reading the IPv6 state throws. */
export async function wantedFamilies(place: Workplace, rules: OwnedRules): Promise<WantedFamilies> {
  const { v4, v6, routing } = rules;
  const asked = askedFamilies(rules);
  const families: WantedFamily[] = [];
  const notes = new Map<Family, string>();
  const add = (family: Family, found: RuleSet | undefined, route: boolean) =>
    families.push({ family, route, ...(found === undefined ? {} : { rules: found }) });
  if (asked.has('ipv4')) add('ipv4', v4, true);
  else notes.set('ipv4', notAsked('IPv4'));
  if (!asked.has('ipv6')) return { families, notes: notes.set('ipv6', notAsked('IPv6')) };
  const ipv6 = await place.networking.readIpv6State(place.namespace);
  if (!ipv6.usable) return { families, notes: notes.set('ipv6', ipv6.reason) };
  add('ipv6', v6, ipv6.loopback);
  if (routing !== undefined && !ipv6.loopback) notes.set('ipv6', 'no IPv6 route: lo has IPv6 disabled');
  return { families, notes };
}

/** Rules of nftables alone, or routing alone, are for the families they name: all tables but `ip` and `ip6` have both. */
function askedFamilies({ v4, v6, nftables = [] }: OwnedRules): ReadonlySet<Family> {
  if (v4 !== undefined || v6 !== undefined)
    return new Set([...(v4 === undefined ? [] : ['ipv4' as const]), ...(v6 === undefined ? [] : ['ipv6' as const])]);
  if (nftables.length > 0 && nftables.every(({ family }) => family === 'ip')) return new Set(['ipv4']);
  if (nftables.length > 0 && nftables.every(({ family }) => family === 'ip6')) return new Set(['ipv6']);
  return new Set(['ipv4', 'ipv6']);
}

/** Whether the kernel has that family on is not looked at: that would be a process more. */
function notAsked(name: string): string {
  return `${name} was not asked for: its traffic meets none of these rules`;
}
