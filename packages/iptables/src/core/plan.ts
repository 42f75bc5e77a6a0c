import { IptablesError } from '../errors.ts';
import { builtInChains, TABLE_NAMES } from './builtin-chains.ts';
import { checkCoverage } from './check-coverage.ts';
import { renderListedRule } from './listing.ts';
import { leadsInto, type Ownership, ownedChains, ownedTables } from './ownership.ts';
import { orderRules, planChain } from './plan-chain.ts';
import { planSharedChain } from './plan-shared-chain.ts';
import type { Family, Rule, RuleSet, TableName } from './rule.ts';
import { type SortedTable, sortTable } from './sorted-table.ts';

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
  /** In a shared chain: an equal rule in front of this one stays, so that only its position tells it. */
  readonly ambiguous?: true;
}

/** What counts; see {@link plan}. */
export interface PlanOptions {
  /** Limits the plan to these chains and the rules that lead into them; nothing else may be wanted then. */
  readonly ownership?: Ownership;
  /**
   * A position behind the end of its chain, which the kernel would refuse: refused (`exact`, the default), or taken for
   * the end.
   */
  readonly positions?: 'exact' | 'nearest';
  /** Tables that `wanted` does not mention: left alone (default), or emptied, built-in policies ACCEPT. */
  readonly otherTables?: 'keep' | 'empty';
}

/**
 * What has to change for `current` (parsed from a save) to become `wanted`. Counters never count, nor does the way a
 * rule is written: two rules are the same if the kernel lists them with the same text.
 *
 * Without `ownership` each table of `wanted` becomes exactly as wanted; the policy of a built-in chain stays where
 * `wanted` does not state one. With it, owned chains become as wanted, or are removed, built-in ones emptied; of other
 * built-in chains only the rules that lead into owned ones count, with their position if they have one, and policies
 * never do. Of other people's own chains only rules that are wanted there count, and those that lead into a chain that
 * is removed, which has to be led into by nothing.
 * Throws `IPTABLES_RULE_INVALID` for two families, a rule that cannot be written, a position that its chain has not, and, with an ownership, for wanted
 * rules, chains and policies that it does not cover.
 */
export function plan(current: RuleSet, wanted: RuleSet, options?: PlanOptions): Plan {
  const { family } = wanted;
  if (current.family !== family)
    throw new IptablesError('IPTABLES_RULE_INVALID', `plan from ${current.family} to ${family}: want one family`);
  const ownership = options?.ownership;
  if (ownership !== undefined) checkCoverage(wanted, ownership);
  const names =
    ownership === undefined
      ? options?.otherTables === 'empty'
        ? TABLE_NAMES
        : tableNames(wanted)
      : ownedTables(ownership);
  const exact = options?.positions !== 'nearest';
  const tables = names.toSorted().flatMap((name): readonly TablePlan[] => {
    const have = sortTable(current, name);
    const stated = ownership !== undefined || wanted.tables.some((table) => table.name === name);
    const want = stated ? sortTable(wanted, name) : emptyTable(name);
    const found =
      ownership === undefined
        ? planWhole(name, have, want, { family, exact })
        : planOwned(name, have, want, { family, exact, owned: [...new Set(ownedChains(ownership, name))] });
    return isNothing(found) ? [] : [found];
  });
  return { family, tables };
}

/** Whether there is nothing to change. */
export function isEmptyPlan({ tables }: Plan): boolean {
  return tables.length === 0;
}

/** How to plan one table. */
interface TableOptions {
  readonly family: Family;
  readonly exact: boolean;
}

function planWhole(name: TableName, have: SortedTable, want: SortedTable, { family, exact }: TableOptions): TablePlan {
  const builtIn = builtInChains(name);
  const chains = new Set([...builtIn, ...have.rules.keys(), ...want.rules.keys()]);
  const missingIn = (table: SortedTable) =>
    [...chains].filter((chain) => !table.rules.has(chain) && !builtIn.includes(chain)).toSorted();
  return {
    name,
    added: missingIn(have),
    removed: missingIn(want),
    policies: planPolicies(builtIn, have, want),
    rules: planChains(name, chains, (chain) =>
      planChain(chain, rulesOf(have, chain), orderRules(rulesOf(want, chain), exact), family),
    ),
  };
}

function planOwned(
  name: TableName,
  have: SortedTable,
  want: SortedTable,
  { family, exact, owned }: TableOptions & { readonly owned: readonly string[] },
): TablePlan {
  const builtIn = builtInChains(name);
  const own = owned.filter((chain) => !builtIn.includes(chain)).toSorted();
  const chains = new Set([...have.rules.keys(), ...want.rules.keys(), ...owned]);
  const removed = own.filter((chain) => have.rules.has(chain) && !want.rules.has(chain));
  return {
    name,
    added: own.filter((chain) => want.rules.has(chain) && !have.rules.has(chain)),
    removed,
    policies: planPolicies(
      builtIn.filter((chain) => owned.includes(chain)),
      have,
      want,
    ),
    rules: planChains(name, chains, (chain) => {
      const [listed, wanted] = [rulesOf(have, chain), rulesOf(want, chain)];
      if (owned.includes(chain)) return planChain(chain, listed, orderRules(wanted, exact), family);
      const isOurs = builtIn.includes(chain)
        ? (rule: Rule) => leadsInto(rule, owned)
        : isOursAmongOthers(wanted, removed, family);
      if (wanted.length === 0 && !listed.some(isOurs)) return undefined;
      return planSharedChain(chain, listed, wanted, { family, exact, isOurs });
    }),
  };
}

/** Of many chains few differ: only those are sorted. */
function planChains(
  table: TableName,
  chains: Iterable<string>,
  planOne: (chain: string) => ChainPlan | undefined,
): readonly ChainPlan[] {
  const plans = new Map<string, ChainPlan>();
  for (const chain of chains) {
    const found = planOne(chain);
    if (found !== undefined) plans.set(chain, found);
  }
  return sortChains(table, [...plans.keys()]).flatMap((chain) => plans.get(chain) ?? []);
}

/**
 * What counts in a chain that somebody else made: what is wanted there, and what leads into a chain that goes, for the
 * kernel removes no chain that rules lead to. All else there is theirs, though it leads into ours.
 */
function isOursAmongOthers(
  wanted: readonly Rule[],
  removed: readonly string[],
  family: Family,
): (rule: Rule) => boolean {
  const texts = new Set(wanted.map((rule) => renderListedRule(rule, family)));
  return (rule) => leadsInto(rule, removed) || (texts.size > 0 && texts.has(renderListedRule(rule, family)));
}

/** Where no policy is wanted, the one that is there stays. A chain that is not listed has the kernel's own. */
function planPolicies(chains: readonly string[], have: SortedTable, want: SortedTable): readonly PolicyChange[] {
  return chains.flatMap((chain) => {
    const [from, to] = [have.policies.get(chain) ?? 'ACCEPT', want.policies.get(chain)];
    return to === undefined || from === to ? [] : [{ chain, from, to }];
  });
}

function rulesOf(table: SortedTable, chain: string): readonly Rule[] {
  return table.rules.get(chain) ?? [];
}

/** Built-in chains in the order packets meet them, then the others by name. */
function sortChains(table: TableName, chains: readonly string[]): readonly string[] {
  const builtIn = builtInChains(table);
  return [
    ...builtIn.filter((chain) => chains.includes(chain)),
    ...chains.filter((chain) => !builtIn.includes(chain)).toSorted(),
  ];
}

function emptyTable(name: TableName): SortedTable {
  return { rules: new Map(), policies: new Map(builtInChains(name).map((chain) => [chain, 'ACCEPT'])) };
}

function tableNames(ruleSet: RuleSet): readonly TableName[] {
  return [...new Set(ruleSet.tables.map(({ name }) => name))];
}

function isNothing({ added, removed, policies, rules }: TablePlan): boolean {
  return added.length === 0 && removed.length === 0 && policies.length === 0 && rules.length === 0;
}
