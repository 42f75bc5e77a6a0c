import type { Family, Match, TableName } from '../rule.ts';
import type { Option } from '../words.ts';

/** What decides whether a match or target is possible at a place. */
export interface RuleScope {
  readonly family: Family;
  readonly table: TableName;
  /** Chain the rule is in. */
  readonly chain: string;
  /** Built-in chains whose packets can get to the rule; none for a chain that nothing leads to. */
  readonly hooks: ReadonlySet<string>;
  /** The only protocol of the packets, as iptables lists it; undefined where the rule takes several. */
  readonly protocol: string | undefined;
  /** The protocol that `-p` or `! -p` names, as iptables lists it. */
  readonly namedProtocol: string | undefined;
}

/** All there is to know of one match extension. */
export interface MatchKind<M extends Match> {
  /** Its words, such as `-m mark --mark 0x1`. Throws `IPTABLES_RULE_INVALID` for values that cannot be written. */
  render(match: M): string;
  /**
   * From the options after `-m NAME`; undefined where they are not understood. May read more than `render` writes:
   * the caller compares and keeps the words themselves where they differ.
   */
  parse(options: readonly Option[], name: string): M | undefined;
  /** In the spelling of `iptables-save`, the same object if it is so already; undefined if nothing is printed. Default: as it is. */
  list?(match: M, family: Family): Match | undefined;
  /** Why the kernel or the tool would refuse it there, for people; undefined where it is fine. */
  check?(match: M, scope: RuleScope): string | undefined;
}
