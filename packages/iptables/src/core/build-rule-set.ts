import { IptablesError } from '../errors.ts';
import { builtInChains, isTableName, TABLE_NAMES } from './builtin-chains.ts';
import { checkRuleSet } from './check-rule-set.ts';
import type { Chain, CommonTarget, Family, Match, Rule, RuleSet, Table, TableName, Target } from './rule.ts';
import type { CheckedSpecs, RuleSpec, TableSpec, TableSpecs } from './rule-set-specs.ts';
import { buildTable } from './table.ts';

/** A match, or several that belong together, such as `-p tcp` with its ports. */
export type MatchPart = Match | readonly Match[];

/**
 * One rule: all of `matches` must hold for `target` to happen; without a target it only counts.
 * `rule([tcp({ to: 22 }), source('10.0.0.0/8')], accept())`. Throws `IPTABLES_RULE_INVALID` for what is neither, such as
 * a factory that was not called.
 */
export function rule(matches: readonly MatchPart[]): RuleSpec<CommonTarget>;
export function rule<T extends Target>(matches: readonly MatchPart[], target: T): RuleSpec<T>;
export function rule(matches: readonly MatchPart[], target?: Target): RuleSpec {
  if (!Array.isArray(matches)) throw invalid('rule() wants a list of matches: rule([source(…)], accept())');
  if (target !== undefined && typeof target !== 'object') throw invalid(`the target of a rule ${misuse(target)}`);
  const flat: Match[] = [];
  for (const match of matches.flatMap(matchesOf)) {
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
export function buildRuleSet<const S extends TableSpecs>(
  family: Family,
  tables: S extends CheckedSpecs<S> ? S : CheckedSpecs<S>,
): RuleSet;
export function buildRuleSet(family: Family, tables: TableSpecs): RuleSet {
  const unknown = Object.keys(tables).find((name) => !isTableName(name));
  if (unknown !== undefined)
    throw invalid(`${JSON.stringify(unknown)} is no table: want some of ${TABLE_NAMES.join(', ')}`);
  const built = TABLE_NAMES.toSorted().flatMap((name) => {
    const chains = tables[name];
    return chains === undefined ? [] : [buildChains(name, chains)];
  });
  const ruleSet: RuleSet = { family, tables: built };
  checkRuleSet(ruleSet);
  return ruleSet;
}

function buildChains(name: TableName, specs: TableSpec<TableName>): Table {
  const builtIn = builtInChains(name);
  const chains: Chain[] = [];
  const rules: Rule[] = [];
  for (const [chain, spec] of Object.entries(specs)) {
    checkSpec(`${name} ${chain}`, spec);
    const { policy, rules: own = [] } = spec;
    if (policy !== undefined) chains.push({ name: chain, policy });
    else if (!builtIn.includes(chain)) chains.push({ name: chain });
    for (const { matches, target, position } of own)
      rules.push({ chain, matches, ...(target && { target }), ...(position !== undefined && { position }) });
  }
  return buildTable(name, chains, rules);
}

/** Refuses what the compiler would have refused and what would be left out without a word. */
function checkSpec(place: string, spec: TableSpec<TableName>[string]): void {
  const keys = typeof spec !== 'object' || spec === null || Array.isArray(spec) ? undefined : Object.keys(spec);
  if (keys?.every((key) => key === 'policy' || key === 'rules') !== true)
    throw invalid(`${place}: want { policy, rules }, both optional, and nothing else`);
  if (spec.rules?.every((each) => Array.isArray(each.matches)) === false)
    throw invalid(`${place}: want a list of rules, each made by rule([…], …)`);
}

function matchesOf(part: MatchPart): readonly Match[] {
  if (typeof part !== 'object') throw invalid(`a match of a rule ${misuse(part)}`);
  return 'match' in part ? [part] : part;
}

function misuse(value: unknown): string {
  if (typeof value !== 'function') return `is ${JSON.stringify(value)}: want what one of the factories returns`;
  return `is a function: call it, ${value.name}(…)`;
}

function invalid(what: string): IptablesError {
  return new IptablesError('IPTABLES_RULE_INVALID', what);
}

function isSameProtocol(match: Match, other: Match): boolean {
  return (
    match.match === 'protocol' &&
    other.match === 'protocol' &&
    match.protocol === other.protocol &&
    match.negated === other.negated
  );
}
