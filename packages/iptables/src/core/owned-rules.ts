import type { Mark } from './mark.ts';
import type { NftTable } from './nft-script.ts';
import type { Ownership } from './ownership.ts';
import type { RuleSet } from './rule.ts';

/** `fwmark` rule and the "everything is local" table it selects, the same in both families. */
export interface PolicyRouting {
  readonly mark: Mark;
  /** Priority of the rule; lower comes first. */
  readonly priority: number;
  /** Number of the routing table with `local default dev lo`. */
  readonly table: number;
}

/** Everything a namespace is to get from one owner, as data: what is applied, verified and removed together. */
export interface OwnedRules {
  readonly v4?: RuleSet;
  readonly v6?: RuleSet;
  /** The same rules in nftables, for machines that use it without iptables. */
  readonly nftables?: readonly NftTable[];
  readonly routing?: PolicyRouting;
  /** Which chains are ours; other rules are neither compared nor changed. */
  readonly ownership: Ownership;
}
