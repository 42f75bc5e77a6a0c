import { execFileSync } from 'node:child_process';
import {
  buildListing,
  checkRuleSet,
  type Family,
  parseSave,
  type Rule,
  type RuleSet,
  renderRestore,
  renderSave,
  type TableName,
} from '@ambientmesh/iptables';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { arbitraryRule, SET_NAMES, USER_CHAIN } from '../testing/arbitrary-rules.ts';
import { builtInChains } from './builtin-chains.ts';
import { buildTable } from './table.ts';

const TABLES: readonly TableName[] = ['filter', 'mangle', 'nat', 'raw', 'security'];
const SETS = `ipset create ${SET_NAMES.ipv4} hash:ip,port; ipset create ${SET_NAMES.ipv6} hash:ip,port family inet6`;
const TOOLS = [
  { family: 'ipv4', tool: 'iptables-nft' },
  { family: 'ipv4', tool: 'iptables-legacy' },
  { family: 'ipv6', tool: 'ip6tables-nft' },
  { family: 'ipv6', tool: 'ip6tables-legacy' },
] as const;
/** Programs of the system, not of a package. */
const SYSTEM = { unshare: 'unshare' } as const;

/** What the tool lists after applying to a namespace of its own, without comments and counters. */
function applyAndSave(tool: string, ruleSet: RuleSet): string {
  const script = `${SETS}; ${tool}-restore --noflush && ${tool}-save`;
  return execFileSync(SYSTEM.unshare, ['-n', 'sh', '-c', script], {
    encoding: 'utf8',
    input: renderRestore(ruleSet),
    stdio: 'pipe',
  });
}

/** Text by table: the variants differ in the order of tables. */
function tablesOf({ family, tables }: RuleSet): Record<string, string> {
  const texts = tables.map((table) => [table.name, renderSave({ family, tables: [table] }, { counters: false })]);
  return Object.fromEntries(texts);
}

/** Raw matches and targets, but for those that no data stands for. */
function wordsWithoutData({ tables }: RuleSet): readonly string[] {
  return tables
    .flatMap(({ rules: all }): readonly Rule[] => all)
    .flatMap(({ matches, target }) => [...matches, ...(target?.target === 'raw' ? [target] : [])])
    .flatMap((part) => ('text' in part && !('match' in part && part.match === 'comment') ? [part.text] : []))
    .filter((text) => !text.endsWith('--icmp-type any') && text !== 'CT');
}

const rules = (family: Family, table: TableName): fc.Arbitrary<readonly Rule[]> => {
  const chains = [...builtInChains(table), USER_CHAIN];
  return fc.array(
    fc.constantFrom(...chains).chain((chain) => arbitraryRule(family, table, chain)),
    {
      minLength: 20,
      maxLength: 40,
      size: 'max',
    },
  );
};

test.each(TOOLS)('$tool lists random rules as buildListing says (property)', ({ family, tool }) => {
  const ruleSet = fc.tuple(...TABLES.map((table) => rules(family, table))).map((all): RuleSet => {
    const tables = TABLES.map((name, at) => buildTable(name, [{ name: USER_CHAIN }], all[at] ?? []));
    return { family, tables };
  });
  fc.assert(
    fc.property(ruleSet, (wanted) => {
      checkRuleSet(wanted);
      const saved = parseSave(applyAndSave(tool, wanted), family);
      const listing = buildListing(wanted);
      // The legacy variant keeps the words of a few matches that the nft variant rewrites.
      expect(tablesOf(tool.endsWith('nft') ? saved : buildListing(saved))).toEqual(tablesOf(listing));
      expect(wordsWithoutData(saved)).toEqual([]);
    }),
    { numRuns: 15, endOnFailure: true },
  );
});
