import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  buildListing,
  type Counters,
  checkRuleSet,
  type Family,
  IptablesError,
  parseSave,
  type Rule,
  type RuleSet,
  renderListedRule,
  renderRestore,
  renderRule,
  renderSave,
  type TableName,
} from '@ambientmesh/iptables';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { arbitraryRule, arbitraryText, USER_CHAIN } from '../testing/arbitrary-rules.ts';
import { SLOW } from '../testing/slow-test.ts';
import { builtInChains } from './builtin-chains.ts';
import { buildTable } from './table.ts';

const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];
const TABLES: readonly TableName[] = ['filter', 'mangle', 'nat', 'raw', 'security'];

const counters: fc.Arbitrary<Counters> = fc.record({ packets: fc.maxSafeNat(), bytes: fc.maxSafeNat() });
/** Words of extensions that there is no data for, as tools print them. */
const words = fc.constantFrom(
  '-m ttl --ttl-lt 2',
  '! -f',
  '-m string ! --string "a b" --algo bm',
  '-m recent --name "x -j y" --rsource',
  '-m time --timestart 10:00:00 --timestop 12:00:00',
);
const rawTargets = fc.constantFrom('NFLOG --nflog-prefix "a \\"b\\""', 'SNAT --to-source 1.2.3.4-1.2.3.9', 'CHAIN');

function rule(family: Family, table: TableName): fc.Arbitrary<Rule> {
  const chains = [...builtInChains(table), USER_CHAIN];
  return fc
    .tuple(
      fc.constantFrom(...chains).chain((chain) => arbitraryRule(family, table, chain)),
      fc.option(words),
      fc.option(rawTargets),
    )
    .map(([made, match, target]) => ({
      ...made,
      ...(match === null ? {} : { matches: [...made.matches, { match: 'raw', text: match }] }),
      ...(target === null ? {} : { target: { target: 'raw', text: target } }),
    }));
}

const ruleSets: fc.Arbitrary<RuleSet> = fc.constantFrom(...FAMILIES).chain((family) => {
  const tables = fc
    .subarray([...TABLES], { minLength: 1 })
    .chain((names) =>
      fc.tuple(
        ...names.map((name) =>
          fc
            .array(rule(family, name), { maxLength: 6 })
            .map((rules) => buildTable(name, [{ name: USER_CHAIN }], rules)),
        ),
      ),
    );
  return tables.map((made) => ({ family, tables: made }));
});

/** Counters for each rule and chain of a listing. */
function counted(listing: RuleSet, numbers: readonly Counters[]): RuleSet {
  let at = 0;
  const next = () => numbers[at++ % numbers.length] ?? { packets: 0, bytes: 0 };
  const tables = listing.tables.map((table) =>
    buildTable(
      table.name,
      table.chains.map((chain) => ({ ...chain, counters: next() })),
      table.rules.map((some: Rule) => ({ ...some, counters: next() })),
    ),
  );
  return { family: listing.family, tables };
}

test('a listing comes back from its text, with counters (property)', SLOW, () => {
  fc.assert(
    fc.property(ruleSets, fc.array(counters, { minLength: 1, maxLength: 5 }), (ruleSet, numbers) => {
      const listing = buildListing(ruleSet);
      const text = renderSave(listing, { counters: false });
      expect(parseSave(text, ruleSet.family)).toEqual(listing);
      const full = counted(listing, numbers);
      expect(parseSave(renderSave(full), ruleSet.family)).toEqual(full);
    }),
  );
});

test('what is written comes back from its payload, in any spelling (property)', SLOW, () => {
  fc.assert(
    fc.property(ruleSets, fc.option(fc.integer({ min: 1, max: 9 })), (ruleSet, position) => {
      const tables = ruleSet.tables.map((table) => {
        const rules = table.rules.map((some: Rule) => (position === null ? some : { ...some, position }));
        return buildTable(table.name, table.chains, rules);
      });
      const sorted = tables.toSorted((a, b) => (a.name < b.name ? -1 : 1));
      const written = { family: ruleSet.family, tables: sorted };
      expect(parseSave(renderRestore(written), ruleSet.family)).toEqual(written);
    }),
  );
});

test('a listing is listed as it is, rule by rule, and passes the check (property)', SLOW, () => {
  fc.assert(
    fc.property(ruleSets, (ruleSet) => {
      const listing = buildListing(ruleSet);
      expect(buildListing(listing)).toEqual(listing);
      const parsed = parseSave(renderSave(listing, { counters: false }), ruleSet.family);
      expect(buildListing(parsed)).toEqual(listing);
      expect(listedTexts(parsed)).toEqual(listedTexts(listing));
      expect(listedTexts(parsed)).toEqual(listing.tables.flatMap((table) => table.rules.map(renderRule)));
      expect(() => checkRuleSet(listing)).not.toThrow();
    }),
  );
});

function listedTexts({ family, tables }: RuleSet): readonly string[] {
  return tables.flatMap(({ rules }) => rules.map((some: Rule) => renderListedRule(some, family)));
}

test('a changed copy of a parsed rule is rendered anew', () => {
  const [parsed] = parseSave('*nat\n-A OUTPUT -j ACCEPT\nCOMMIT\n', 'ipv4').tables[0]?.rules ?? [];
  if (parsed === undefined) throw new Error('expected a rule');
  expect(renderListedRule(parsed, 'ipv4')).toBe('-A OUTPUT -j ACCEPT');
  expect(renderListedRule({ ...parsed, chain: 'INPUT' }, 'ipv4')).toBe('-A INPUT -j ACCEPT');
});

test('any text in one line is a comment that comes back (property)', () => {
  fc.assert(
    fc.property(arbitraryText, (text) => {
      const matches = [{ match: 'comment', text } as const];
      const tables = [buildTable('raw', [], [{ chain: 'OUTPUT', matches, target: { target: 'ACCEPT' } }])];
      expect(parseSave(renderRestore({ family: 'ipv4', tables }), 'ipv4').tables).toEqual(tables);
    }),
    { numRuns: 500 },
  );
});

const saves = ['docker-and-kube-proxy.save', 'tproxy-dns.v4.save', 'tproxy-dns.v6.save'].map((name) =>
  readFileSync(join(import.meta.dirname, '../../fixtures', name), 'utf8'),
);
const piece = fc.oneof(
  fc.string({ maxLength: 4 }),
  fc.constantFrom(
    '"',
    '\\',
    ' ',
    '\t',
    '\n',
    '\r\n',
    '!',
    '-',
    ' -j',
    ' -m ',
    '\0',
    ':',
    '[',
    ' -g X ',
    ' -p 6',
    '\u2028',
  ),
);

test('a damaged save is refused with its place, or gives words that come back (property)', SLOW, () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...saves),
      fc.constantFrom(...FAMILIES),
      fc.array(fc.tuple(fc.nat(), fc.nat({ max: 6 }), piece), { minLength: 1, maxLength: 4 }),
      (save, family, changes) => {
        let text = save;
        for (const [at, removed, added] of changes) {
          const place = at % (text.length + 1);
          text = text.slice(0, place) + added + text.slice(place + removed);
        }
        const parsed = parseOrUndefined(text, family);
        // Lines that end in CR LF take the long way through usual rules.
        expect(parseOrUndefined(text.replaceAll(/\r?\n/g, '\r\n'), family)).toEqual(parsed);
        if (parsed === undefined) return;
        const again = renderSave(parsed);
        expect(parseSave(again, family)).toEqual(parseSave(renderSave(parseSave(again, family)), family));
      },
    ),
    { numRuns: 500 },
  );
});

function parseOrUndefined(text: string, family: Family): RuleSet | undefined {
  try {
    return parseSave(text, family);
  } catch (error) {
    if (!(error instanceof IptablesError)) throw error;
    const { code, line = 0, column = 0, message } = error;
    expect(code).toBe('IPTABLES_SAVE_INVALID');
    expect(message.startsWith(`line ${line}, column ${column}: `)).toBe(true);
    const wrong = text.split('\n')[line - 1] ?? '';
    expect(column >= 1 && column <= wrong.length + 1).toBe(true);
    return undefined;
  }
}
