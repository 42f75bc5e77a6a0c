import { builtInChains, TABLE_NAMES } from './builtin-chains.ts';
import { checkRuleSet } from './check-rule-set.ts';
import type { Chain, CommonTarget, Family, Match, Rule, RuleSet, Table, TableName, Target } from './rule.ts';
import { buildTable } from './table.ts';

/** Built-in chains by table. */
interface BuiltInChains {
  readonly filter: 'INPUT' | 'FORWARD' | 'OUTPUT';
  readonly mangle: 'PREROUTING' | 'INPUT' | 'FORWARD' | 'OUTPUT' | 'POSTROUTING';
  readonly nat: 'PREROUTING' | 'INPUT' | 'OUTPUT' | 'POSTROUTING';
  readonly raw: 'PREROUTING' | 'OUTPUT';
  readonly security: 'INPUT' | 'FORWARD' | 'OUTPUT';
}

/** A match, or several that belong together, such as `-p tcp` with its ports. */
export type MatchPart = Match | readonly Match[];

/** What one rule of a table says. */
export interface RuleSpec<T extends Target = Target> {
  readonly matches: readonly Match[];
  readonly target?: T;
}

/** A built-in chain: what happens to packets that no rule decides (`ACCEPT` where absent), and its rules. */
export interface BuiltInChainSpec<T extends TableName> {
  readonly policy?: 'ACCEPT' | 'DROP';
  readonly rules?: readonly RuleSpec<Target<T>>[];
}

/** A chain of one's own: its rules, and no policy. */
export interface UserChainSpec<T extends TableName> {
  readonly policy?: never;
  readonly rules?: readonly RuleSpec<Target<T>>[];
}

/** The chains of a table by name. */
export type TableSpec<T extends TableName> = {
  readonly [C in BuiltInChains[T]]?: BuiltInChainSpec<T>;
} & { readonly [chain: string]: BuiltInChainSpec<T> };

/** All tables by name. */
export type TableSpecs = { readonly [T in TableName]?: TableSpec<T> };

/**
 * One rule: all of `matches` must hold for `target` to happen; without a target it only counts.
 * `rule([tcp({ to: 22 }), source('10.0.0.0/8')], accept())`
 */
export function rule(matches: readonly MatchPart[]): RuleSpec<CommonTarget>;
export function rule<T extends Target>(matches: readonly MatchPart[], target: T): RuleSpec<T>;
export function rule(matches: readonly MatchPart[], target?: Target): RuleSpec {
  const flat: Match[] = [];
  for (const match of matches.flatMap((part): readonly Match[] => ('match' in part ? [part] : part))) {
    // Two matches may each have brought the protocol.
    const again = match.match === 'protocol' && flat.some((other) => isSameProtocol(match, other));
    if (!again) flat.push(match);
  }
  return target === undefined ? { matches: flat } : { matches: flat, target };
}

/**
 * A checked rule set. Built-in chains without `policy` are not declared, so their policy stays what it is; all other
 * chains are. Throws `IPTABLES_RULE_INVALID` as {@link checkRuleSet} does.
 *
 * ```ts
 * buildRuleSet('ipv4', {
 *   filter: {
 *     INPUT: { policy: 'DROP', rules: [rule([connectionState('ESTABLISHED')], accept()), rule([], jump('SERVICES'))] },
 *     SERVICES: { rules: [rule([tcp({ to: 22 }), source('10.0.0.0/8')], accept())] },
 *   },
 * });
 * ```
 */
export function buildRuleSet<const S extends TableSpecs>(family: Family, tables: S & CheckedSpecs<S>): RuleSet {
  const specs: TableSpecs = tables;
  const built = TABLE_NAMES.toSorted().flatMap((name) => {
    const chains = specs[name];
    return chains === undefined ? [] : [buildChains(name, chains)];
  });
  const ruleSet: RuleSet = { family, tables: built };
  checkRuleSet(ruleSet);
  return ruleSet;
}

/** The same specs, but no policy for chains that are not built in. */
type CheckedSpecs<S> = {
  readonly [T in keyof S]: T extends TableName
    ? { readonly [C in keyof S[T]]: C extends BuiltInChains[T] ? BuiltInChainSpec<T> : UserChainSpec<T> }
    : never;
};

function buildChains(name: TableName, specs: Readonly<Record<string, BuiltInChainSpec<TableName>>>): Table {
  const builtIn = builtInChains(name);
  const chains: Chain[] = [];
  const rules: Rule[] = [];
  for (const [chain, { policy, rules: own = [] }] of Object.entries(specs)) {
    if (policy !== undefined) chains.push({ name: chain, policy });
    else if (!builtIn.includes(chain)) chains.push({ name: chain });
    for (const { matches, target } of own) rules.push({ chain, matches, ...(target && { target }) });
  }
  return buildTable(name, chains, rules);
}

function isSameProtocol(match: Match, other: Match): boolean {
  return (
    match.match === 'protocol' &&
    other.match === 'protocol' &&
    match.protocol === other.protocol &&
    match.negated === other.negated
  );
}
