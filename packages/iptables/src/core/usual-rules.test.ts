import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { type Family, IptablesError, parseSave, type Rule, renderListedRule, renderSave } from '@ambientmesh/iptables';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SLOW } from '../testing/slow-test.ts';
import { buildTable } from './table.ts';
import { UsualRules } from './usual-rules.ts';

const FAMILIES = ['ipv4', 'ipv6'] as const;
const save = readFileSync(join(import.meta.dirname, '../../fixtures/docker-and-kube-proxy.save'), 'utf8');

function inNat(...lines: readonly string[]): string {
  return `*nat\n:X - [0:0]\n:KUBE-SVC-A - [0:0]\n${lines.join('\n')}\nCOMMIT\n`;
}

/** Everything there is to know of a text: its data, how each rule is listed, or what is wrong with it. */
function readAll(text: string, family: Family): unknown {
  try {
    const ruleSet = parseSave(text, family);
    const rules = ruleSet.tables.flatMap((table): readonly Rule[] => table.rules);
    const listed = rules.map((rule) => renderListedRule(rule, family));
    // A copy has no text that it could be known by.
    expect(rules.map((rule) => renderListedRule({ ...rule }, family))).toEqual(listed);
    return { ruleSet, listed };
  } catch (error) {
    if (error instanceof IptablesError) return error;
    throw error;
  }
}

/** Lines that end in CR LF are never usual. */
function withoutUsual(text: string): string {
  return text.replaceAll(/\r?\n/g, '\r\n');
}

function isUsual(line: string, family: Family = 'ipv4'): boolean {
  return new UsualRules(`${line}\n`, family).find(0) === line;
}

test('the rules of Docker and kube-proxy are usual, but for quotes in quotes, ranges, and chains in capitals', () => {
  const unusual = save.split('\n').filter((line) => line.startsWith('-A') && !isUsual(line));
  expect(unusual).toEqual([
    expect.stringContaining('--sport 1000:2000'),
    expect.stringContaining('\\"'),
    ...Array.from({ length: 3 }, () => expect.stringMatching(/-j DOCKER$/)),
  ]);
});

test.each([
  { family: 'ipv4', line: '[1:2] -A X -s 10.0.0.0/16 ! -i eth0.5 -j X-Y' },
  { family: 'ipv4', line: '-A X -m statistic --mode random --probability 0.33333333349 -j f2b' },
  { family: 'ipv4', line: '-A X -p tcp -j DNAT --to-destination 10.0.0.1' },
  {
    family: 'ipv6',
    line: '-A X -s fd00:10::a:5/128 -p tcp -m tcp --dport 65535 -j DNAT --to-destination [fd00::5]:80',
  },
  { family: 'ipv4', line: '-A X -j LOG --log-prefix "a b" --log-level 7' },
] as const)('$line is usual', ({ family, line }) => {
  expect(isUsual(line, family)).toBe(true);
});

test.each([
  '-A X -s 10.0.1.0/16 -j X-Y',
  '-A X -s 10.0.0.1 -j X-Y',
  '-A X -s fd00::1/128 -j X-Y',
  '-A X -j REJECT',
  '-A X -j X-Y\r',
  '-A X -j LOG --log-level 4',
  '-A X -m mark --mark 0x1/0xffffffff -j ACCEPT',
  '-A X -m comment --comment "word" -j ACCEPT',
  '-A X -p tcp -m tcp --dport 65536 -j ACCEPT',
  '-A X -m statistic --mode random --probability 0.33333333333 -j ACCEPT',
])('%s is not usual', (line) => {
  expect(isUsual(line)).toBe(false);
});

const BLOCKS = ['10.0.0.1/32', '10.0.0.0/8', '10.1.0.0/16', '10.0.0.1/24', '0.0.0.0/0', '1.2.3.256/32', '10.0.0.1'];
const BLOCKS_V6 = ['fd00::1/128', 'fd00:0::1/128', '1:2:3:4:5:6::7/128', '1:2:3:4:5::7/128', '::1/128', 'FD00::1/128'];
const address = fc.oneof(fc.constantFrom('10.0.0.1/32', 'fd00::1/128'), fc.constantFrom(...BLOCKS, ...BLOCKS_V6));
const negation = fc.constantFrom('', '', '', '! ');
const option = (name: string, value: fc.Arbitrary<string>) =>
  fc.tuple(negation, value).map(([not, v]) => `${not}${name} ${v}`);
const number = fc.constantFrom('80', '80', '443', '0', '65535', '65536', '080', '1:2', '0:5');
const hex = fc.constantFrom('0x0', '0x4000', '0x4000/0x4000', '0x1/0xffffffff', '0X1', '0x01', '7', '0x123456789');
const words = fc.constantFrom(
  '"a b"',
  '"it\'s"',
  '"a \\"b\\""',
  'word',
  '"word"',
  '""',
  '"a -j X"',
  '-j',
  '!',
  '"ü -m"',
  '"a\tb"',
);
const chance = fc.constantFrom('0.50000000000', '0.33333333349', '0.33333333333', '1.00000000000', '0.5');
const match = fc.oneof(
  words.map((text) => `-m comment --comment ${text}`),
  fc.tuple(fc.constantFrom('tcp', 'udp'), option('--dport', number)).map(([name, to]) => `-m ${name} ${to}`),
  fc.tuple(option('--dport', number), option('--sport', number)).map(([to, from]) => `-m tcp ${from} ${to}`),
  fc.constantFrom('-m tcp', '-m udp', '-m ttl --ttl-lt 2', '--dport 5'),
  option('--mark', hex).map((text) => `-m mark ${text}`),
  option('--ctstate', fc.constantFrom('NEW', 'RELATED,ESTABLISHED', 'ESTABLISHED,RELATED', 'X')).map(
    (text) => `-m conntrack ${text}`,
  ),
  option('--dst-type', fc.constantFrom('LOCAL', 'UNICAST,LOCAL', 'X')).map((text) => `-m addrtype ${text}`),
  chance.map((share) => `-m statistic --mode random --probability ${share}`),
);
const nat = fc.constantFrom(
  '10.0.0.1:80',
  '10.0.0.1',
  '10.0.0.1:080',
  '10.0.0.1:65536',
  '[fd00::1]:80',
  '[FD00::1]:80',
  '256.0.0.1:1',
);
const target = fc.oneof(
  fc.constantFrom(
    'ACCEPT',
    'RETURN',
    'REJECT',
    'MASQUERADE',
    'MASQUERADE --random-fully',
    'MASQUERADE --random',
    'LOG',
  ),
  fc.constantFrom(
    'X',
    'KUBE-SVC-A',
    'KUBE-SVC-B',
    'late',
    'UNDECLARED',
    'MARK',
    'DNAT',
    'NFLOG --nflog-group 1',
    '"X"',
    '',
  ),
  hex.map((mark) => `MARK --set-xmark ${mark}`),
  number.map((port) => `REDIRECT --to-ports ${port}`),
  nat.map((place) => `DNAT --to-destination ${place}`),
  fc
    .constantFrom('tcp-reset', 'icmp-port-unreachable', 'port-unreach', 'icmp6-no-route')
    .map((how) => `REJECT --reject-with ${how}`),
  fc.tuple(words, fc.nat({ max: 8 })).map(([text, level]) => `LOG --log-prefix ${text} --log-level ${level}`),
);
const core = [
  option('-s', address),
  option('-d', address),
  option('-i', fc.constantFrom('eth0', 'cali+', '+', 'lo')),
  option('-o', fc.constantFrom('eth0.5', 'veth@if3')),
  option('-p', fc.constantFrom('tcp', 'udp', 'icmp', 'all', '6', 'TCP')),
].map((made) => fc.oneof({ weight: 3, arbitrary: fc.constant('') }, { weight: 1, arbitrary: made }));
const line = fc
  .record({
    counters: fc.constantFrom('', '', '[0:0] ', '[12:34567890123] ', '[1:] '),
    chain: fc.oneof(fc.constant('X'), fc.constantFrom('KUBE-SVC-A', 'KUBE-SVC-B', '"X"', '-X', 'a!')),
    core: fc.tuple(...core),
    swapped: fc.nat({ max: 7 }),
    matches: fc.array(match, { maxLength: 3 }),
    target,
    damage: fc.option(fc.tuple(fc.nat(), fc.constantFrom('', ' ', '"', '\\', '-', '\0', '\u2028', '0', 'a')), {
      freq: 1,
    }),
  })
  .map(({ counters, chain, core: first, swapped, matches, target: to, damage }) => {
    const parts = swapped === 0 ? [...matches, ...first] : [...first, ...matches];
    const text = `${counters}-A ${[chain, ...parts].filter((part) => part !== '').join(' ')} -j ${to}`;
    if (damage === null) return text;
    const at = damage[0] % text.length;
    return text.slice(0, at) + damage[1] + text.slice(at + 1);
  });
const lines = fc.oneof(
  { weight: 6, arbitrary: line },
  { weight: 1, arbitrary: fc.constantFrom('-N late', '-N KUBE-SVC-B', ':UNDECLARED - [0:0]', '-N ACCEPT') },
);

test('usual rules are read as all others, wrong ones are refused with the same words (property)', SLOW, () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...FAMILIES),
      fc.constantFrom('nat', 'filter'),
      fc.array(lines, { maxLength: 6 }),
      (family, table, some) => {
        // One at a time too: a mistake hides all behind it.
        for (const each of [some, ...some.map((one) => [one, one])]) {
          const text = inNat(...each).replace('nat', table);
          expect(readAll(text, family)).toEqual(readAll(withoutUsual(text), family));
        }
      },
    ),
    { numRuns: 500 },
  );
});

const RULES = [
  '-A X -s 10.0.0.1/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-A',
  '[1:2] -A X -m comment --comment "a b" -j DNAT --to-destination 10.0.0.1:80',
];

test('what is read late is plain data to whoever looks at it', () => {
  const parse = () => parseSave(inNat(...RULES), 'ipv4');
  const plain: readonly Rule[] = [
    {
      chain: 'X',
      matches: [
        { match: 'source', address: '10.0.0.1', prefixLength: 32 },
        { match: 'protocol', protocol: 'tcp' },
        { match: 'tcp', destinationPort: { first: 80 } },
      ],
      target: { target: 'jump', chain: 'KUBE-SVC-A' },
    },
    {
      chain: 'X',
      matches: [{ match: 'comment', text: 'a b' }],
      target: { target: 'DNAT', address: '10.0.0.1', ports: { first: 80 } },
      counters: { packets: 1, bytes: 2 },
    },
  ];
  const rules = () => parse().tables[0]?.rules ?? [];
  expect(rules()).toEqual(plain);
  expect(JSON.stringify(rules())).toBe(JSON.stringify(plain));
  expect(structuredClone(rules())).toStrictEqual(plain);
  expect(rules().map((rule: Rule) => ({ ...rule }))).toStrictEqual(plain);
  expect(rules().map((rule: Rule) => Object.assign({}, rule))).toStrictEqual(plain);
  expect(rules().map((rule: Rule) => Object.keys(rule))).toEqual(plain.map((rule) => Object.keys(rule)));
  expect(inspect(rules(), { depth: 9 })).toBe(inspect(plain, { depth: 9 }));
  const [first] = rules();
  expect(first?.matches).toBe(first?.matches);
  expect(() => Reflect.apply(Array.prototype.push, first?.matches, [{}])).toThrow(TypeError);
  expect(renderSave(parse())).toBe(inNat(...RULES));
});

test('a table takes rules that were read late only if they are for it', () => {
  const rules = parseSave(inNat(...RULES), 'ipv4').tables[0]?.rules ?? [];
  expect(buildTable('nat', [], rules).rules).toEqual(rules);
  expect(() => buildTable('filter', [], rules)).toThrow(/DNAT.*not for table filter/);
});

test('a chain that is declared behind a rule does not change it', () => {
  const table = parseSave(inNat('-A X -j a-b', '-N a-b', '-A X -j a-b'), 'ipv4').tables[0];
  expect(table?.rules.map(({ target: to }) => to)).toEqual([
    { target: 'raw', text: 'a-b' },
    { target: 'jump', chain: 'a-b' },
  ]);
});
