import { checkRuleSet, parseSave, type RuleSet } from '@ambientmesh/iptables';
import { expect, test } from 'vitest';
import { IMPOSSIBLE, IMPOSSIBLE_DATA, POSSIBLE } from '../testing/impossible-rules.ts';
import { buildTable } from './table.ts';

const invalid = (message: RegExp) =>
  expect.objectContaining({ code: 'IPTABLES_RULE_INVALID', message: expect.stringMatching(message) });
const save = (table: string, lines: readonly string[]) => [`*${table}`, ...lines, 'COMMIT', ''].join('\n');

test.each(IMPOSSIBLE)('$family $table $lines is refused: $reason', ({ family = 'ipv4', table, lines, reason }) => {
  expect(() => checkRuleSet(parseSave(save(table, lines), family))).toThrow(invalid(reason));
});

test.each(POSSIBLE)('$family $table $lines passes', ({ family = 'ipv4', table, lines }) => {
  expect(() => checkRuleSet(parseSave(save(table, lines), family))).not.toThrow();
});

test.each(IMPOSSIBLE_DATA)('$rule is refused: $reason', ({ rule, table, reason }) => {
  const tables = [buildTable(table, [], [rule])];
  expect(() => checkRuleSet({ family: 'ipv4', tables })).toThrow(invalid(reason));
});

test('a target of another table is refused, whatever the compiler was told', () => {
  const target = { target: 'REDIRECT', toPorts: { first: 1 } } as const;
  // @ts-expect-error REDIRECT is for nat only
  const tables: RuleSet['tables'] = [{ name: 'filter', chains: [], rules: [{ chain: 'INPUT', matches: [], target }] }];
  expect(() => checkRuleSet({ family: 'ipv4', tables })).toThrow(
    invalid(/^filter INPUT "-A INPUT -j REDIRECT --to-ports 1": REDIRECT is for table nat only$/),
  );
});

test.each(['-x', '!x', 'a b', 'a"b', ''])('%j is no name of a chain', (name) => {
  const tables = [buildTable('filter', [{ name }], [])];
  expect(() => checkRuleSet({ family: 'ipv4', tables })).toThrow(invalid(/want one word that is no option/));
});

test('a chain that is declared twice is refused', () => {
  const tables: RuleSet['tables'] = [{ name: 'filter', chains: [{ name: 'A' }, { name: 'A' }], rules: [] }];
  expect(() => checkRuleSet({ family: 'ipv4', tables })).toThrow(invalid(/chain "A": it is declared twice/));
});

test('every problem is named, up to a limit', () => {
  const lines = ['-N LOG', ...Array.from({ length: 30 }, (_, at) => `-A INPUT -p tcp -m udp --dport ${at}`)];
  expect(() => checkRuleSet(parseSave(save('filter', lines), 'ipv4'))).toThrow(
    invalid(/^filter chain "LOG".*; filter INPUT "-A INPUT -p tcp -m udp --dport 0": .*; and 11 more$/),
  );
  expect(() => checkRuleSet({ family: 'ipv4', tables: [...twice, ...twice] })).toThrow(
    invalid(/table raw is there twice/),
  );
});
const twice: RuleSet['tables'] = [{ name: 'raw', chains: [], rules: [] }];

test.each(['ospfigp', 'IPv6-ICMP', 'mh', '253', 'hopopt'])('protocol %s passes', (name) => {
  expect(() => checkRuleSet(parseSave(save('filter', [`-A INPUT -p ${name} -j ACCEPT`]), 'ipv4'))).not.toThrow();
});

test('a chain in preparation passes, and one with a confusing name that rules lead to', () => {
  const lines = ['-N LATER', '-A LATER -j DROP', '-N input', '-A INPUT -j input', '-A input -j DROP'];
  expect(() => checkRuleSet(parseSave(save('filter', lines), 'ipv4'))).not.toThrow();
});

test('what is possible passes, also where only raw words say the protocol', () => {
  const lines = [
    '-N A',
    '-A A -j MASQUERADE',
    '-A POSTROUTING -j A',
    '-A OUTPUT -m owner --uid-owner 0-9 --protocol tcp -m tcp --dport 80 -j REDIRECT --to-ports 5',
    '-A PREROUTING -j UNHEARD --of it',
  ];
  expect(() => checkRuleSet(parseSave(save('nat', lines), 'ipv4'))).not.toThrow();
});

test('a long line of chains is no problem', () => {
  const names = Array.from({ length: 20_000 }, (_, at) => `C${at}`);
  const lines = [...names.map((name) => `-N ${name}`), ...names.slice(1).map((name, at) => `-A C${at} -j ${name}`)];
  expect(() => checkRuleSet(parseSave(save('filter', lines), 'ipv4'))).not.toThrow();
});
