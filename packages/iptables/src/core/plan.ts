import type { Ownership } from './ownership.ts';
import type { Family, Rule, RuleSet, TableName } from './rule.ts';

/** The difference between two rule sets of one family; without tables there is none. */
export interface Plan {
  readonly family: Family;
  /** Only tables that differ, by name. */
  readonly tables: readonly TablePlan[];
}

/** The difference of one table. It is carried out in one transaction. */
export interface TablePlan {
  readonly name: TableName;
  /** Chains to be made, by name; their rules are in {@link rules}. */
  readonly added: readonly string[];
  /** Chains to be removed, by name; their rules are in {@link rules}. */
  readonly removed: readonly string[];
  readonly policies: readonly PolicyChange[];
  /** Only chains whose rules differ: built-in ones first, then by name. */
  readonly rules: readonly ChainPlan[];
}

/** Another policy of a built-in chain. */
export interface PolicyChange {
  readonly chain: string;
  readonly from: 'ACCEPT' | 'DROP';
  readonly to: 'ACCEPT' | 'DROP';
}

/** The difference of one chain. */
export interface ChainPlan {
  readonly chain: string;
  /** Number of rules that stay as they are. */
  readonly kept: number;
  /** The chain has rules of others: somebody else may insert or delete there before the plan is carried out. */
  readonly shared: boolean;
  /** From the first rule of the chain to its last. */
  readonly changes: readonly RuleChange[];
}

/** One rule that is there and should not be, should be and is not, or is at the wrong place. */
export interface RuleChange {
  readonly change: 'added' | 'removed' | 'moved';
  /** As the kernel lists it: `-A CHAIN …`. */
  readonly text: string;
  readonly rule: Rule;
  /** Position in the current chain, from 1; absent if added. */
  readonly from?: number;
  /** Position in the wanted chain, from 1; absent if removed. */
  readonly to?: number;
}

/** What counts; see {@link plan}. */
export interface PlanOptions {
  /** Limits the plan to these chains and the rules that lead into them. */
  readonly ownership?: Ownership;
  /** Tables that `wanted` does not mention: left alone (default), or emptied, built-in policies ACCEPT. */
  readonly otherTables?: 'keep' | 'empty';
}

/** TODO(#4): implemented in the next commit. */
export function plan(current: RuleSet, wanted: RuleSet, options?: PlanOptions): Plan {
  void [current, wanted, options];
  throw new Error('not implemented');
}
