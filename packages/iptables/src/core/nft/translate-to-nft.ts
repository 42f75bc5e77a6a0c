import { IptablesError } from '../../errors.ts';
import { builtInChains } from '../builtin-chains.ts';
import type { NftChain, NftRule, NftSet, NftTable } from '../nft-script.ts';
import { renderRule } from '../render-rule.ts';
import type { Family, Rule, RuleSet, Table, TableName } from '../rule.ts';
import { hookOf, TABLE_ORDER } from './base-chains.ts';
import { renderBaseChainName, renderChainName, renderStandInName } from './chain-name.ts';
import { type FamilyRule, mergeFamilies } from './merge-families.ts';
import { translateRule } from './translate-rule.ts';

/** Rule sets to translate; a family that is absent is left alone by the result. */
export interface NftInput {
  readonly v4?: RuleSet;
  readonly v6?: RuleSet;
}

/** How the result is named. */
export interface TranslateToNftOptions {
  /** Table `nat` becomes `inet` + prefix + `nat`, and so on. Letters, digits, `_`, `.` and `-`. */
  readonly prefix: string;
}

interface FamilyChain {
  readonly rules: readonly FamilyRule[];
  readonly policy: 'accept' | 'drop';
}

type FamilyChains = ReadonlyMap<string, FamilyChain>;

const ABSENT: FamilyChain = { rules: [], policy: 'accept' };

/**
 * Native nftables tables that do to every packet what the rule sets do. Both families share one `inet` table: rules
 * that are the same in both are written once, the others never apply to the other family. Base chains sit where those
 * of iptables do; `accept` ends one table only, as there. Rules have a counter, jumps do not. Sets of `-m set` are
 * declared in each table that names them, as sets of single addresses, and are the caller's to fill. Missing MSS
 * options are not added by TCPMSS. Built-in chains without rules and with policy ACCEPT are left out, and tables without
 * chains. Throws `IPTABLES_RULE_INVALID` naming the rule where nft has no exact equal: raw matches and targets,
 * `--socket-exists`, negated owners, marks copied under a mask that keeps bits.
 */
export function translateToNft({ v4, v6 }: NftInput, options: TranslateToNftOptions): readonly NftTable[] {
  if (typeof options.prefix !== 'string' || !/^(?:[A-Za-z][\w.-]*)?$/.test(options.prefix))
    throw new IptablesError(
      'IPTABLES_RULE_INVALID',
      `table prefix ${JSON.stringify(options.prefix)}: want a plain name`,
    );
  checkFamily(v4, 'ipv4');
  checkFamily(v6, 'ipv6');
  return TABLE_ORDER.flatMap((name) => {
    const tables = { v4: findTable(v4, name), v6: findTable(v6, name) };
    const { chains, rules } = translateTable(
      name,
      translateChains(tables.v4, 'ipv4'),
      translateChains(tables.v6, 'ipv6'),
    );
    if (chains.length === 0) return [];
    const sets = collectSets(tables.v4, tables.v6);
    return [
      {
        family: 'inet' as const,
        name: `${options.prefix}${name}`,
        ...(sets.length === 0 ? {} : { sets }),
        chains,
        rules,
      },
    ];
  });
}

function checkFamily(ruleSet: RuleSet | undefined, family: Family): void {
  if (ruleSet !== undefined && ruleSet.family !== family)
    throw new IptablesError(
      'IPTABLES_RULE_INVALID',
      `a rule set for ${ruleSet.family} where one for ${family} is wanted`,
    );
}

function findTable(ruleSet: RuleSet | undefined, name: TableName): Table | undefined {
  return ruleSet?.tables.find((table) => table.name === name);
}

function translateTable(
  name: TableName,
  v4: FamilyChains,
  v6: FamilyChains,
): { readonly chains: readonly NftChain[]; readonly rules: readonly NftRule[] } {
  const base: NftChain[] = [];
  const regular: NftChain[] = [];
  const rules: NftRule[] = [];
  for (const chain of new Set([...builtInChains(name), ...v4.keys(), ...v6.keys()])) {
    const [one, other] = [v4.get(chain) ?? ABSENT, v6.get(chain) ?? ABSENT];
    const texts = mergeFamilies(one.rules, other.rules);
    const hook = hookOf(name, chain);
    if (hook === undefined) {
      regular.push({ name: renderChainName(chain) });
      rules.push(...texts.map((text) => ({ chain: renderChainName(chain), text })));
    } else if (one.policy !== other.policy) {
      const [outer, inner] = [renderBaseChainName(chain), renderStandInName(chain)];
      base.push({ name: outer, hook });
      regular.push({ name: inner });
      const drop = `meta nfproto ${one.policy === 'drop' ? 'ipv4' : 'ipv6'} counter drop`;
      rules.push({ chain: outer, text: `jump ${inner}` }, { chain: outer, text: drop });
      rules.push(...texts.map((text) => ({ chain: inner, text })));
    } else if (texts.length > 0 || one.policy === 'drop') {
      base.push({ name: renderBaseChainName(chain), hook: one.policy === 'drop' ? { ...hook, policy: 'drop' } : hook });
      rules.push(...texts.map((text) => ({ chain: renderBaseChainName(chain), text })));
    }
  }
  return { chains: [...base, ...regular], rules };
}

function translateChains(table: Table | undefined, family: Family): FamilyChains {
  if (table === undefined) return new Map();
  const chains = new Map(table.chains.map(({ name, policy }) => [name, { rules: [] as Rule[], policy }]));
  for (const rule of table.rules) {
    const chain = chains.get(rule.chain) ?? { rules: [], policy: undefined };
    chains.set(rule.chain, chain);
    place(chain.rules, rule);
  }
  for (const { target } of table.rules)
    if ((target?.target === 'jump' || target?.target === 'goto') && !chains.has(target.chain))
      throw new IptablesError('IPTABLES_RULE_INVALID', `table ${table.name}: there is no chain ${target.chain}`);
  return new Map(
    Array.from(chains, ([name, { rules, policy }]) => [
      name,
      {
        rules: rules.flatMap((rule) => translateRule(rule, family)),
        policy: policy === 'DROP' ? ('drop' as const) : ('accept' as const),
      },
    ]),
  );
}

/** At its position, as `iptables -I` would. */
function place(rules: Rule[], rule: Rule): void {
  if (rule.position === undefined) {
    rules.push(rule);
    return;
  }
  if (rule.position < 1 || rule.position > rules.length + 1)
    throw new IptablesError('IPTABLES_RULE_INVALID', `${renderRule(rule)}: the chain has only ${rules.length} rules`);
  rules.splice(rule.position - 1, 0, rule);
}

function collectSets(v4: Table | undefined, v6: Table | undefined): readonly NftSet[] {
  const types = new Map<string, NftSet['type']>();
  for (const [table, type] of [
    [v4, 'ipv4_addr'],
    [v6, 'ipv6_addr'],
  ] as const)
    for (const rule of table?.rules ?? [])
      for (const match of rule.matches)
        if (match.match === 'set') {
          if ((types.get(match.set) ?? type) !== type)
            throw new IptablesError(
              'IPTABLES_RULE_INVALID',
              `${renderRule(rule)}: set ${match.set} would hold both families`,
            );
          types.set(match.set, type);
        }
  return Array.from(types, ([name, type]) => ({ name, type }));
}
