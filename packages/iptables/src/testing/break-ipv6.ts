import type { OwnedRules } from '../core/owned-rules.ts';
import type { RuleSet } from '../core/rule.ts';

/** A rule set with one rule more, in its table nat, that the kernel refuses for either family. */
export function breakFamily(good: RuleSet | undefined, chain: string): RuleSet {
  if (good === undefined) throw new Error('expected rules of both families');
  const text = `DNAT --to-destination ${good.family === 'ipv4' ? 'fd00::1' : '10.0.0.1'}`;
  const bad = { chain, matches: [], target: { target: 'raw', text } } as const;
  const tables = good.tables.map((table) =>
    table.name === 'nat' ? { ...table, rules: [...table.rules, bad] } : table,
  );
  return { ...good, tables };
}

/** Ambient rules of which the IPv6 half is refused. */
export function breakIpv6<R extends OwnedRules>(good: R): R {
  return { ...good, v6: breakFamily(good.v6, 'ISTIO_OUTPUT') };
}
