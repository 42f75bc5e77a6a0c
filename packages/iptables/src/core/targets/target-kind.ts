import type { RuleScope } from '../matches/match-kind.ts';
import type { Family, TableName, Target } from '../rule.ts';
import type { Option } from '../words.ts';

/** All there is to know of one target. */
export interface TargetKind<T extends Target> {
  /** The only table that has it; absent: all have. */
  readonly table?: TableName;
  /** Built-in chains whose packets it takes; absent: all. */
  readonly hooks?: readonly string[];
  /** Its words with `-j` or `-g`. Throws `IPTABLES_RULE_INVALID` for values that cannot be written. */
  render(target: T): string;
  /**
   * From the options after its name; undefined where they are not understood. May read more than `render` writes: the
   * caller compares and keeps the words themselves where they differ.
   */
  parse(options: readonly Option[]): T | undefined;
  /** In the spelling of `iptables-save`, the same object if it is so already. Default: as it is. */
  list?(target: T, family: Family): Target;
  /** Why the kernel or the tool would refuse it there, besides `table` and `hooks`; undefined where it is fine. */
  check?(target: T, scope: RuleScope): string | undefined;
}
