import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSave, plan, renderPlan, renderPlanRestore } from '@ambientmesh/iptables';
import { expect, test } from 'vitest';
import { AMBIENT_POD_OWNERSHIP } from '../ambient/ambient-ownership.ts';
import { describeDifferences } from './describe-plan.ts';
import { extractOwnedInPlace } from './ownership.ts';

const fixture = (name: string) => readFileSync(join(import.meta.dirname, '../../fixtures', name), 'utf8');
const parse = (text: string) => parseSave(text, 'ipv4');
const filter = (...lines: readonly string[]) =>
  parse(
    ['*filter', ...(lines[0]?.startsWith(':INPUT') ? [] : [':INPUT ACCEPT [0:0]']), ...lines, 'COMMIT', ''].join('\n'),
  );

const ACCEPT_SSH = '-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT';
const ACCEPT_WEB = '-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT';
const DROP = '-A INPUT -j DROP';

test.each([
  { change: 'nothing', have: [DROP], want: [DROP], text: '', restore: '' },
  {
    change: 'counters and spelling',
    have: ['[7:9] -A INPUT -s 10.0.0.1/32 -p tcp -m tcp --dport 22 -j ACCEPT'],
    want: ['-A INPUT -p tcp -s 10.0.0.1 --dport 22 -j ACCEPT'],
    text: '',
    restore: '',
  },
  {
    change: 'a rule at the end',
    have: [DROP],
    want: [DROP, ACCEPT_SSH],
    text: `~ filter\n+ ${ACCEPT_SSH}  # at 2\n`,
    restore: `* filter\n${ACCEPT_SSH}\nCOMMIT\n`,
  },
  {
    change: 'a rule in between',
    have: [ACCEPT_SSH, DROP],
    want: [ACCEPT_SSH, ACCEPT_WEB, DROP],
    text: `~ filter\n+ ${ACCEPT_WEB}  # at 2\n`,
    restore: `* filter\n-I INPUT 2 -p tcp -m tcp --dport 80 -j ACCEPT\nCOMMIT\n`,
  },
  {
    change: 'one rule for another',
    have: [ACCEPT_SSH, DROP],
    want: [ACCEPT_WEB, DROP],
    text: `~ filter\n- ${ACCEPT_SSH}  # at 1\n+ ${ACCEPT_WEB}  # at 1\n`,
    restore: `* filter\n-D INPUT 1\n-I INPUT 1 -p tcp -m tcp --dport 80 -j ACCEPT\nCOMMIT\n`,
  },
  {
    change: 'a rule that moves',
    have: [DROP, ACCEPT_SSH, ACCEPT_WEB],
    want: [ACCEPT_SSH, ACCEPT_WEB, DROP],
    text: `~ filter\n> ${DROP}  # from 1 to 3\n`,
    restore: `* filter\n-D INPUT 1\n${DROP}\nCOMMIT\n`,
  },
  {
    change: 'a policy',
    have: [],
    want: [':INPUT DROP [0:0]'],
    text: '~ filter\n- :INPUT ACCEPT\n+ :INPUT DROP\n',
    restore: '* filter\n-P INPUT DROP\nCOMMIT\n',
  },
  {
    change: 'chains',
    have: [':OLD - [0:0]', '-A INPUT -j OLD', '-A OLD -j DROP'],
    want: [':NEW - [0:0]', '-A INPUT -j NEW', '-A NEW -j DROP'],
    text: '~ filter\n- :OLD\n+ :NEW\n- -A INPUT -j OLD  # at 1\n+ -A INPUT -j NEW  # at 1\n+ -A NEW -j DROP\n- -A OLD -j DROP\n',
    restore: '* filter\n-N NEW\n-F INPUT\n-F OLD\n-X OLD\n-A INPUT -j NEW\n-A NEW -j DROP\nCOMMIT\n',
  },
])('$change', ({ have, want, text, restore }) => {
  const change = plan(filter(...have), filter(...want));
  expect(renderPlan(change)).toBe(text);
  expect(renderPlanRestore(change)).toBe(restore);
});

test('the data says positions, rules and what stays', () => {
  const change = plan(filter(ACCEPT_SSH, DROP), filter(DROP, ACCEPT_WEB));
  expect(change).toMatchObject({
    family: 'ipv4',
    tables: [
      {
        name: 'filter',
        added: [],
        removed: [],
        policies: [],
        rules: [
          {
            chain: 'INPUT',
            kept: 1,
            shared: false,
            changes: [
              { change: 'removed', text: ACCEPT_SSH, from: 1, rule: { chain: 'INPUT' } },
              { change: 'added', text: ACCEPT_WEB, to: 2, rule: { chain: 'INPUT' } },
            ],
          },
        ],
      },
    ],
  });
});

test('tables that are not wanted are left alone, unless they are to be emptied', () => {
  const have = parse('*nat\n:OUTPUT DROP [0:0]\n:X - [0:0]\n-A OUTPUT -j X\nCOMMIT\n');
  expect(plan(have, filter()).tables).toEqual([]);
  expect(renderPlanRestore(plan(have, filter(), { otherTables: 'empty' }))).toBe(
    '* nat\n-P OUTPUT ACCEPT\n-F OUTPUT\n-F X\n-X X\nCOMMIT\n',
  );
});

test('a policy that is not stated is left alone', () => {
  const have = parse('*filter\n:INPUT DROP [0:0]\nCOMMIT\n');
  expect(plan(have, { family: 'ipv4', tables: [{ name: 'filter', chains: [], rules: [] }] }).tables).toEqual([]);
});

test('two families are no plan', () => {
  expect(() => plan(parse(''), parseSave('', 'ipv6'))).toThrow(
    expect.objectContaining({ code: 'IPTABLES_RULE_INVALID' }),
  );
});

const listing = fixture('tproxy.v4.save');
const JUMP = '-A PREROUTING -j ISTIO_PRERT\n';
const PROBE = '-A ISTIO_PRERT -s 169.254.7.127/32 -p tcp -m tcp -j ACCEPT\n';
const ownership = AMBIENT_POD_OWNERSHIP;

test.each([
  { change: 'none', text: listing, differences: [] },
  { change: 'foreign rules', text: listing.replace(JUMP, `-A PREROUTING -j DROP\n${JUMP}`), differences: [] },
  { change: 'foreign policy', text: listing.replace(':FORWARD ACCEPT', ':FORWARD DROP'), differences: [] },
  {
    change: 'jump gone',
    text: listing.replace(JUMP, ''),
    differences: ['mangle: missing -A PREROUTING -j ISTIO_PRERT'],
  },
  {
    change: 'jump twice',
    text: listing.replace(JUMP, JUMP + JUMP),
    differences: ['mangle: extra -A PREROUTING -j ISTIO_PRERT'],
  },
  { change: 'rule gone', text: listing.replace(PROBE, ''), differences: [`mangle: missing ${PROBE.trim()}`] },
  {
    change: 'order',
    text: listing.replace(PROBE, '').replace('COMMIT\n*nat', `${PROBE}COMMIT\n*nat`),
    differences: [`mangle: misplaced ${PROBE.trim()} (at 6, want 2)`],
  },
  {
    change: 'extra chain',
    text: listing.replace('*nat\n', '*nat\n:ISTIO_PRERT -\n-A ISTIO_PRERT -j DROP\n'),
    differences: ['nat: extra chain ISTIO_PRERT', 'nat: extra -A ISTIO_PRERT -j DROP'],
  },
])('what is ours, differences: $change', ({ text, differences }) => {
  expect(describeDifferences(plan(parse(text), parse(listing), { ownership }))).toEqual(differences);
});

test('removing takes jumps, contents and chains, from conditional jumps too', () => {
  const current = parse(
    '*nat\n:ISTIO_OUTPUT -\n-A OUTPUT -j DROP\n-A OUTPUT -p tcp -j ISTIO_OUTPUT\n-A ISTIO_OUTPUT -j DROP\nCOMMIT\n',
  );
  expect(renderPlanRestore(plan(current, parse(''), { ownership }))).toBe(
    '* nat\n-D OUTPUT -p tcp -j ISTIO_OUTPUT\n-F ISTIO_OUTPUT\n-X ISTIO_OUTPUT\nCOMMIT\n',
  );
});

test('undoing puts jumps back where they were', () => {
  const before = parse(
    '*nat\n:ISTIO_OUTPUT -\n-A OUTPUT -j DROP\n-A OUTPUT -p tcp -j ISTIO_OUTPUT\n-A OUTPUT -j ACCEPT\nCOMMIT\n',
  );
  const now = parse('*nat\n-A OUTPUT -j DROP\n-A OUTPUT -j ACCEPT\nCOMMIT\n');
  const wanted = extractOwnedInPlace(before, ownership);
  expect(renderPlanRestore(plan(now, wanted, { ownership }))).toBe(
    '* nat\n-N ISTIO_OUTPUT\n-I OUTPUT 2 -p tcp -j ISTIO_OUTPUT\nCOMMIT\n',
  );
});

const nat = (...lines: readonly string[]) =>
  parse(['*nat', ':A - [0:0]', ':B - [0:0]', ...lines, 'COMMIT', ''].join('\n'));
const OURS = { ownership: { chains: { nat: ['A', 'B'] } } } as const;

test.each([
  { rule: 'first and present', have: ['-A OUTPUT -j A', DROP], want: ['-I OUTPUT 1 -j A'], restore: [] },
  {
    rule: 'first, but others came before',
    have: ['-A OUTPUT -j DROP', '-A OUTPUT -j A'],
    want: ['-I OUTPUT 1 -j A'],
    restore: ['-D OUTPUT -j A', '-I OUTPUT 1 -j A'],
  },
  {
    rule: 'first, and again behind: the first of equals is not deleted by text',
    have: ['-A OUTPUT -j A', '-A OUTPUT -j DROP', '-A OUTPUT -j A'],
    want: ['-I OUTPUT 1 -j A'],
    restore: ['-D OUTPUT 3'],
  },
  {
    rule: 'inserted in turn',
    have: ['-A OUTPUT -j DROP'],
    want: ['-I OUTPUT 1 -j A', '-I OUTPUT 1 -j B'],
    restore: ['-I OUTPUT 1 -j B', '-I OUTPUT 2 -j A'],
  },
  {
    rule: 'anywhere, one missing goes before its successor',
    have: ['-A OUTPUT -j B', '-A OUTPUT -j DROP'],
    want: ['-A OUTPUT -j A', '-A OUTPUT -j B'],
    restore: ['-I OUTPUT 1 -j A'],
  },
  {
    rule: 'anywhere, the last missing is appended',
    have: ['-A OUTPUT -j A', '-A OUTPUT -j DROP'],
    want: ['-A OUTPUT -j A', '-A OUTPUT -j B'],
    restore: ['-A OUTPUT -j B'],
  },
  {
    rule: 'in the other order',
    have: ['-A OUTPUT -j B', '-A OUTPUT -j DROP', '-A OUTPUT -j A'],
    want: ['-A OUTPUT -j A', '-A OUTPUT -j B'],
    restore: ['-D OUTPUT -j B', '-A OUTPUT -j B'],
  },
])('position of a jump among rules of others: $rule', ({ have, want, restore }) => {
  const text = renderPlanRestore(plan(nat(...have), nat(...want), OURS));
  expect(text.split('\n').slice(1, -2)).toEqual(restore);
});

const BUILT_IN = { ownership: { chains: { filter: ['INPUT', 'LOGGED'] } } } as const;
const SERVER = filter(':INPUT DROP [0:0]', ':LOGGED - [0:0]', ACCEPT_SSH, '-A INPUT -j LOGGED', '-A LOGGED -j LOG');

test.each([
  {
    from: 'nothing',
    have: parse(''),
    want: SERVER,
    restore: ['-P INPUT DROP', '-N LOGGED', ACCEPT_SSH, '-A INPUT -j LOGGED', '-A LOGGED -j LOG'],
  },
  {
    from: 'rules of others, which are not kept',
    have: filter(':FORWARD DROP [0:0]', ACCEPT_WEB, '-A FORWARD -j ACCEPT'),
    want: filter(':INPUT DROP [0:0]', ACCEPT_SSH),
    restore: ['-P INPUT DROP', '-F INPUT', ACCEPT_SSH],
  },
  {
    from: 'another policy alone',
    have: filter(ACCEPT_SSH),
    want: filter(':INPUT DROP [0:0]', ACCEPT_SSH),
    restore: ['-P INPUT DROP'],
  },
  {
    from: 'a policy, where none is wanted',
    have: filter(':INPUT DROP [0:0]', ACCEPT_SSH),
    want: parse(`*filter\n${ACCEPT_SSH}\nCOMMIT\n`),
    restore: [],
  },
  {
    from: 'all to no rules: emptied, not removed',
    have: SERVER,
    want: parse(''),
    restore: ['-F INPUT', '-F LOGGED', '-X LOGGED'],
  },
])('a built-in chain that is owned, from $from', ({ have, want, restore }) => {
  const text = renderPlanRestore(plan(have, want, BUILT_IN));
  expect(text.split('\n').slice(1, -2)).toEqual(restore);
});

test('a policy changed by hand is told', () => {
  const byHand = filter(':LOGGED - [0:0]', ACCEPT_SSH, '-A INPUT -j LOGGED', '-A LOGGED -j LOG');
  expect(describeDifferences(plan(byHand, SERVER, BUILT_IN))).toEqual(['filter: policy of INPUT is ACCEPT, want DROP']);
});

test('a chain is owned in its table only: what others have in one of the same name stays', () => {
  const have = parse('*filter\n-A OUTPUT -j DROP\nCOMMIT\n*nat\n-A OUTPUT -j ACCEPT\nCOMMIT\n');
  const owned = { ownership: { chains: { filter: ['OUTPUT'], nat: ['OURS'] } } } as const;
  expect(renderPlanRestore(plan(have, parse(''), owned))).toBe('* filter\n-F OUTPUT\nCOMMIT\n');
});

test.each([
  { what: 'a jump of others from their own chain stays', want: ':A -\n-A OUTPUT -j A\n', restore: '' },
  {
    what: 'until the chain goes: nothing may lead there then',
    want: '',
    restore: '* nat\n-D OUTPUT -j A\n-D THEIRS -j A\n-F A\n-X A\nCOMMIT\n',
  },
  {
    what: 'one that is wanted there comes behind it',
    want: ':A -\n:THEIRS -\n-A OUTPUT -j A\n-A THEIRS -p udp -j A\n',
    restore: '* nat\n-A THEIRS -p udp -j A\nCOMMIT\n',
  },
])('$what', ({ want, restore }) => {
  const have = parse('*nat\n:A -\n:THEIRS -\n-A OUTPUT -j A\n-A THEIRS -j A\n-A THEIRS -j DROP\nCOMMIT\n');
  const change = plan(have, parse(`*nat\n${want}COMMIT\n`), { ownership: { chains: { nat: ['A'] } } });
  expect(renderPlanRestore(change)).toBe(restore);
});

test.each([
  { where: 'in a chain of others', owned: ['A'], line: '-I OUTPUT 4 -j A', length: 2 },
  { where: 'in a chain of ours', owned: ['A', 'OUTPUT'], line: '-I OUTPUT 2 -j A', length: 0 },
])('a position that the chain has not, $where, is refused by name, as by the kernel', ({ owned, line, length }) => {
  const have = parse('*nat\n-A OUTPUT -j DROP\n-A OUTPUT -j ACCEPT\nCOMMIT\n');
  const ours = { ownership: { chains: { nat: owned } } };
  expect(() => plan(have, parse(`*nat\n:A -\n${line}\nCOMMIT\n`), ours)).toThrow(
    expect.objectContaining({
      code: 'IPTABLES_RULE_INVALID',
      message: expect.stringContaining(`${line}: OUTPUT has ${length} other rules`),
    }),
  );
  expect(plan(have, parse(`*nat\n:A -\n${line}\nCOMMIT\n`), { ...ours, positions: 'nearest' }).tables).not.toEqual([]);
});

test('a position counts the rules of ours that are anywhere', () => {
  const change = plan(nat(), nat('-A OUTPUT -j A', '-I OUTPUT 2 -j B'), OURS);
  expect(renderPlanRestore(change)).toBe('* nat\n-A OUTPUT -j A\n-I OUTPUT 2 -j B\nCOMMIT\n');
});

test('raw text that the kernel writes otherwise: the difference says what may be wrong', () => {
  const have = parse('*nat\n:A -\n-A A -p tcp -m osf --genre Linux -j RETURN\nCOMMIT\n');
  const want = parse('*nat\n:A -\n-A A -p tcp -m osf  --genre "Linux" --ttl 0 -j RETURN\nCOMMIT\n');
  const differences = describeDifferences(plan(have, want, { ownership: { chains: { nat: ['A'] } } }));
  expect(differences).toEqual([
    'nat: extra -A A -p tcp -m osf --genre Linux -j RETURN',
    expect.stringMatching(/^nat: missing .*how the kernel writes its raw text\?\)$/),
  ]);
});
