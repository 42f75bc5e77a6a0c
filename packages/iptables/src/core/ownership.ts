import { listRule } from './listing.ts';
import { renderRule } from './render-rule.ts';
import type { Rule, RuleSet, TableName } from './rule.ts';

/** Which chains of which tables are ours to create, compare, change and remove. Everything else is left alone. */
export interface Ownership {
  readonly tables: readonly TableName[];
  readonly chains: readonly string[];
}

/** The ambient chains of a pod, in every table that some release or option uses them in. */
export const AMBIENT_POD_OWNERSHIP: Ownership = {
  tables: ['mangle', 'nat', 'raw'],
  chains: ['ISTIO_PRERT', 'ISTIO_OUTPUT'],
};

/** The owned part of one table. Texts are in the spelling of `iptables-save`. */
export interface OwnedTable {
  readonly name: TableName;
  /** Owned chains that exist, with their rules as text (`-A CHAIN …`). */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  /** Rules of other chains that lead into an owned one. */
  readonly jumps: readonly OwnedJump[];
}

/** A rule outside of the owned chains that leads into one. */
export interface OwnedJump {
  /** `PREROUTING -j ISTIO_PRERT`: the rule without its command. */
  readonly text: string;
  readonly chain: string;
  /** Position in its chain, from 1, in the rule set it was taken from. */
  readonly position: number;
}

/** Takes the owned part out of a rule set, one entry for each owned table, also for those that are absent. */
export function extractOwned(ruleSet: RuleSet, ownership: Ownership): readonly OwnedTable[] {
  return ownership.tables.map((name) => {
    const table = ruleSet.tables.find((candidate) => candidate.name === name);
    const chains = new Map<string, string[]>();
    const jumps: OwnedJump[] = [];
    const positions = new Map<string, number>();
    for (const chain of table?.chains ?? []) if (ownership.chains.includes(chain.name)) chains.set(chain.name, []);
    for (const rule of table?.rules ?? []) {
      const text = renderRule(listRule(rule, ruleSet.family));
      const position = (positions.get(rule.chain) ?? 0) + 1;
      positions.set(rule.chain, position);
      const owned = chains.get(rule.chain);
      if (owned !== undefined) owned.push(text);
      else if (leadsInto(rule, ownership)) jumps.push({ text: text.slice('-A '.length), chain: rule.chain, position });
    }
    return { name, chains, jumps };
  });
}

function leadsInto(rule: Rule, ownership: Ownership): boolean {
  const { target } = rule;
  return (target?.target === 'jump' || target?.target === 'goto') && ownership.chains.includes(target.chain);
}

/** Lines such as `mangle: missing -A PREROUTING -j ISTIO_PRERT`; none when both are the same to the kernel. */
export function compareOwned(current: readonly OwnedTable[], wanted: readonly OwnedTable[]): readonly string[] {
  return wanted.flatMap((want) => {
    const have = current.find(({ name }) => name === want.name);
    return compareTable(have ?? { name: want.name, chains: new Map(), jumps: [] }, want);
  });
}

function compareTable(have: OwnedTable, want: OwnedTable): readonly string[] {
  const found: string[] = [];
  for (const name of new Set([...want.chains.keys(), ...have.chains.keys()])) {
    const [before, after] = [have.chains.get(name), want.chains.get(name)];
    if (before === undefined) found.push(`missing chain ${name}`);
    if (after === undefined) found.push(`extra chain ${name}`);
    found.push(...compareLines(before ?? [], after ?? [], `chain ${name}`));
  }
  const jumpLines = (table: OwnedTable) => table.jumps.map(({ text }) => `-A ${text}`).toSorted();
  found.push(...compareLines(jumpLines(have), jumpLines(want), 'jumps'));
  return found.map((line) => `${want.name}: ${line}`);
}

function compareLines(have: readonly string[], want: readonly string[], what: string): readonly string[] {
  const missing = without(want, have);
  const extra = without(have, want);
  if (missing.length === 0 && extra.length === 0 && have.join('\n') !== want.join('\n'))
    return [`${what} out of order`];
  return [...missing.map((line) => `missing ${line}`), ...extra.map((line) => `extra ${line}`)];
}

/** `lines` less one occurrence for each of `taken`. */
function without(lines: readonly string[], taken: readonly string[]): readonly string[] {
  const left = new Map<string, number>();
  for (const line of taken) left.set(line, (left.get(line) ?? 0) + 1);
  return lines.filter((line) => {
    const count = left.get(line) ?? 0;
    left.set(line, count - 1);
    return count <= 0;
  });
}
