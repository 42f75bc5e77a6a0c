import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  buildAmbientPodRules,
  buildListing,
  type Family,
  type Match,
  parseSave,
  type Rule,
  renderRestore,
  renderRule,
  renderSave,
  type Target,
} from '@ambientmesh/iptables';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SLOW, startCpuClock } from '../testing/slow-test.ts';
import { buildTable } from './table.ts';

const fixture = (name: string) => readFileSync(join(import.meta.dirname, '../../fixtures', name), 'utf8');

test('a save of other software comes back byte for byte', () => {
  const text = fixture('docker-and-kube-proxy.save');
  expect(renderSave(parseSave(text, 'ipv4'))).toBe(text);
});

test.each(['tproxy.v4', 'tproxy.v6', 'tproxy-dns.v4', 'tproxy-dns.v6'])(
  '%s: listing and payload parse to data',
  (name) => {
    const family = name.endsWith('v4') ? 'ipv4' : 'ipv6';
    const built = buildAmbientPodRules({ capture: 'tproxy', dns: name.includes('dns') });
    const wanted = family === 'ipv4' ? built.v4 : built.v6;
    if (wanted === undefined) throw new Error('expected IPv6 rules');
    expect(parseSave(fixture(`${name}.save`), family)).toEqual(buildListing(wanted));
    expect(parseSave(fixture(`${name}.restore`), family)).toEqual(wanted);
  },
);

test('counters, comments and positions', () => {
  const text =
    '# x\n*filter\n:INPUT DROP [1:2]\n[3:4] -A INPUT -m comment --comment -j -j ACCEPT\n-I INPUT -j DROP\nCOMMIT\n';
  expect(parseSave(text, 'ipv4').tables[0]).toEqual({
    name: 'filter',
    chains: [{ name: 'INPUT', policy: 'DROP', counters: { packets: 1, bytes: 2 } }],
    rules: [
      {
        chain: 'INPUT',
        matches: [{ match: 'comment', text: '-j' }],
        target: { target: 'ACCEPT' },
        counters: { packets: 3, bytes: 4 },
      },
      { chain: 'INPUT', matches: [], target: { target: 'DROP' }, position: 1 },
    ],
  });
});

test.each([
  '-m owner --socket-exists -j ACCEPT',
  '-m set --match-set a,b dst,src -j SNAT --to-source 1.2.3.4',
  '-m limit --limit 3/min -j LOG --log-prefix "a \\"b\\" " --log-level 7',
  '-f -j DROP',
  '! -f -j DROP',
  '-s 10.0.0.0/255.0.255.0 -j DROP',
  '-p tcp -m tcp --dport 99999 -j DROP',
  '-m conntrack --ctstate NEW,WHATEVER -j DROP',
  '-p udp --dport 53 -j REDIRECT --to-ports 15053',
  '-j REDIRECT --to-ports 1-2 --random',
  '-j TPROXY --on-port 1 --on-ip 0.0.0.0 --tproxy-mark 0x1/0xff',
  '-j UNKNOWN',
  '-g CHAIN',
  '-m comment --comment ""',
  '',
])('%s is kept as written', (body) => {
  const line = `-A INPUT${body && ` ${body}`}`;
  for (const table of ['filter', 'nat', 'mangle', 'raw'])
    expect(renderSave(parseSave(`*${table}\n${line}\nCOMMIT\n`, 'ipv4'))).toBe(`*${table}\n${line}\nCOMMIT\n`);
});

test.each([
  { text: '*filter\n', line: 2, column: 1, what: /table filter has no COMMIT: is the text cut off/ },
  { text: '*filter\n-A INPUT -j', line: 2, column: 12, what: /want a target/ },
  { text: 'filter\n', line: 1, column: 1, what: /want a table, such as \*nat, not "filter"/ },
  { text: '\n#x\n*\n', line: 3, column: 1, what: /want a table/ },
  {
    text: '*broute\nCOMMIT\n',
    line: 1,
    column: 1,
    what: /"broute" is no table: want mangle, security, raw, filter, nat/,
  },
  { text: '* nat x\nCOMMIT\n', line: 1, column: 1, what: /want a table/ },
  { text: '*filter\n:INPUT\nCOMMIT\n', line: 2, column: 7, what: /want the policy ACCEPT or DROP, or - for none/ },
  { text: '*filter\n:INPUT QUEUE [0:0]\nCOMMIT\n', line: 2, column: 8, what: /want the policy .*not "QUEUE"/ },
  { text: '*filter\n:INPUT DROP 0:0\nCOMMIT\n', line: 2, column: 13, what: /want packets and bytes/ },
  { text: '*filter\n:INPUT DROP [0:0] x\nCOMMIT\n', line: 2, column: 19, what: /nothing behind the counters/ },
  { text: '*filter\n: - [0:0]\nCOMMIT\n', line: 2, column: 1, what: /want a chain, such as/ },
  { text: '*filter\n-Z INPUT\nCOMMIT\n', line: 2, column: 1, what: /want a rule, such as .*not "-Z INPUT"/ },
  { text: '*filter\n[1:2] -N X\nCOMMIT\n', line: 2, column: 7, what: /want a rule/ },
  { text: '*filter\n-A\nCOMMIT\n', line: 2, column: 3, what: /want a chain/ },
  { text: '*filter\n-A "INPUT" -j DROP\nCOMMIT\n', line: 2, column: 4, what: /want a chain/ },
  { text: '*filter\n-N\nCOMMIT\n', line: 2, column: 3, what: /want a chain/ },
  { text: '*filter\n-N X y\nCOMMIT\n', line: 2, column: 6, what: /nothing behind a chain/ },
  { text: '*filter\n-P INPUT QUEUE\nCOMMIT\n', line: 2, column: 10, what: /the policy ACCEPT or DROP/ },
  { text: '*filter\n-P "INPUT" DROP\nCOMMIT\n', line: 2, column: 4, what: /want a chain/ },
  { text: '*filter\n-P INPUT DROP now\nCOMMIT\n', line: 2, column: 15, what: /nothing behind a policy/ },
  { text: '*nat\n-A INPUT -m comment --comment "x\nCOMMIT\n', line: 2, column: 31, what: /this quote does not end/ },
  { text: '*nat\n\t-A  INPUT\t-j\nCOMMIT\n', line: 2, column: 14, what: /want a target/ },
  { text: '*nat\n-A INPUT -j \u0007X\nCOMMIT\n', line: 2, column: 13, what: /control character 7 outside of quotes/ },
  { text: '*nat\n-A INPUT -m comment --comment "a\0"\nCOMMIT\n', line: 2, column: 33, what: /control character 0/ },
  {
    text: `*nat\n-A INPUT ${'x'.repeat(70_000)}\n`,
    line: 2,
    column: 65_537,
    what: /line longer than 65536 characters/,
  },
  { text: `*nat\n-Z ${'x'.repeat(1000)}\n`, line: 2, column: 1, what: /.{30,140}/ },
])('$text is refused with its place', ({ text, line, column, what }) => {
  const message = new RegExp(`^line ${line}, column ${column}: .{0,20}${what.source}.{0,80}$`);
  expect(() => parseSave(text, 'ipv4')).toThrow(
    expect.objectContaining({ code: 'IPTABLES_SAVE_INVALID', line, column, message: expect.stringMatching(message) }),
  );
});

test('tabs, CR LF, lines of blanks, and text without a line break at its end', () => {
  const plain = '*filter\n:A - [1:2]\n[3:4] -A A -p tcp -m comment --comment "a  b" -j DROP\n-P INPUT DROP\nCOMMIT\n';
  const parsed = parseSave(plain, 'ipv4');
  const odd =
    ' \n\t\n* filter\r\n:A\t-  [1:2] \r\n[3:4]  -A A\t-p  tcp -m comment --comment "a  b" -j DROP \r\n-P INPUT\tDROP\r\nCOMMIT';
  expect(parseSave(odd, 'ipv4')).toEqual(parsed);
  expect(parsed.tables[0]?.chains).toEqual([
    { name: 'A', counters: { packets: 1, bytes: 2 } },
    { name: 'INPUT', policy: 'DROP' },
  ]);
});

test.each([
  '-s 10.0.0.1/32 -j X',
  '-d 10.0.0.1/32 ! -s 10.0.0.0/8 -p tcp -m comment --comment "a b" -m tcp --dport 80 -j X',
  '-m comment --comment "a" -j X',
  '-m comment --comment "it\'s" -j X',
  '-m comment --comment "a \\" -j b" -j X',
  '-m comment --comment "" -j X',
  '-m comment --comment "a b"c -j X',
  '-m comment --comment "a b" -m comment --comment "a b"',
  '-s 10.0.0.1/32 -d 10.0.0.01/32 -j X',
  '-s 10.0.0.256/32 -j X',
  '-s 1.2.3./32 -j DNAT --to-destination 1.2.3.:5',
  '-d 10.0.0.1/32 -s 10.0.0.2/32 -j X',
  '-p tcp -j DNAT --to-destination 10.0.0.1:80',
  '-p tcp -j DNAT --to-destination 10.0.0.1:080',
  '-p tcp -j DNAT --to-destination 10.0.0.1:65536',
  '-p tcp -j DNAT --to-destination 256.0.0.1:80',
  '-p tcp -j DNAT --to-destination 10.0.0.1:80 -m comment --comment x',
  '-m mark --mark 0x1 -x 5 -j X',
  '-m owner --uid-owner 0 --dport 5 -p tcp -j X',
  '-i -o -j X',
  '! -m mark -j X',
  '! -j X',
  '-j X ',
  '-j "X"',
  '-j UNDECLARED',
  '-m statistic --mode random --probability 0.50000000000 -g X',
])('%s: the short way through usual rules gives what the long one gives', (body) => {
  for (const table of ['nat', 'filter'])
    for (const family of ['ipv4', 'ipv6'] as const) {
      // The first rule makes its words known, the next one meets them.
      const rules = `-A X -m mark --mark 0x1 -j RETURN\n-A X ${body}\n-A X ${body}\n`;
      const text = `*${table}\n:X - [0:0]\n${rules}COMMIT\n`;
      expect(resultOf(text, family)).toEqual(resultOf(text.replaceAll('\n', '\r\n'), family));
    }
});

/** The rule set, or what is wrong with the text, wherever its line is. */
function resultOf(text: string, family: Family): unknown {
  try {
    return parseSave(text, family);
  } catch (error) {
    return String(error).replace(/line \d+/, 'line N');
  }
}

test('a chain without a name is refused, as the first rule too', () => {
  expect(() => parseSave('*filter\n:X - [0:0]\n-A  -j X\nCOMMIT\n', 'ipv4')).toThrow(
    /^line 3, column 5: want a chain$/,
  );
});

test.each([
  { table: 'filter', family: 'ipv4', body: '-s fd00::1/128 -j ACCEPT', column: 13 },
  { table: 'filter', family: 'ipv4', body: '! -d ::/0 -j ACCEPT', column: 15 },
  { table: 'filter', family: 'ipv6', body: '-i lo -d 10.0.0.1/32 -j ACCEPT', column: 19 },
  { table: 'nat', family: 'ipv4', body: '-p tcp -j DNAT --to-destination [fd00::1]:80', column: 42 },
  { table: 'nat', family: 'ipv6', body: '-p tcp -j DNAT --to-destination 10.0.0.1:80', column: 42 },
  { table: 'nat', family: 'ipv6', body: '-j SNAT --to-source 10.0.0.1', column: 30 },
  { table: 'mangle', family: 'ipv6', body: '-j TPROXY --on-port 1 --on-ip 0.0.0.0 --tproxy-mark 0x1/0xff', column: 40 },
] as const)('$family $body is of the other family', ({ table, family, body, column }) => {
  const text = `*${table}\n:INPUT ACCEPT [0:0]\n-A INPUT ${body}\nCOMMIT\n`;
  const message = expect.stringMatching(
    new RegExp(
      `^line 3, column ${column}: "[^"]+" is an address of ipv[46]: want the output of ip6?tables-save alone$`,
    ),
  );
  expect(() => parseSave(text, family)).toThrow(
    expect.objectContaining({ code: 'IPTABLES_SAVE_INVALID', line: 3, column, message }),
  );
});

test.each(['-s 10.0.0.0/255.0.255.0', '-s 10.0.0.300', '-s ::ffff:10.0.0.1/128'])('%s is kept as written', (body) => {
  const text = `*filter\n-A INPUT ${body} -j ACCEPT\nCOMMIT\n`;
  expect(renderSave(parseSave(text, body.includes('ffff') ? 'ipv6' : 'ipv4'))).toBe(text);
});

test('lines without a blank are read in time that grows with the text only', SLOW, () => {
  const text = `*nat\n${'\t\n'.repeat(400_000)}COMMIT\n`;
  const elapsedMs = startCpuClock();
  expect(parseSave(text, 'ipv4').tables).toHaveLength(1);
  expect(elapsedMs()).toBeLessThan(3_000);
});

test('random text parses or is refused, nothing else (property)', () => {
  const line = fc.oneof(
    fc.string(),
    fc.constantFrom('*nat', 'COMMIT', ':A - [0:0]', '-A A -p tcp'),
    fc
      .array(fc.constantFrom('-A', '!', '-m', 'tcp', '"', '-j', '--dport', '1', '-s'), { maxLength: 8 })
      .map((w) => w.join(' ')),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
      try {
        parseSave(lines.join('\n'), 'ipv4');
      } catch (error) {
        expect(error).toMatchObject({ code: 'IPTABLES_SAVE_INVALID' });
      }
    }),
    { numRuns: 500 },
  );
});

const negated = fc.option(fc.constant({ negated: true as const }), { nil: {} });
const port = fc.integer({ min: 0, max: 65_535 });
const ports = fc
  .tuple(port, port)
  .map(([a, b]) => (a === b ? { first: a } : { first: Math.min(a, b), last: Math.max(a, b) }));
const bits = fc.integer({ min: 0, max: 0xffff_ffff });
const mark = fc.record({ value: bits, mask: bits });
const name = fc.stringMatching(/^[a-zA-Z][a-zA-Z0-9_-]{0,12}\+?$/);
const match: fc.Arbitrary<Match> = fc.oneof(
  fc
    .tuple(fc.constantFrom('source', 'destination'), fc.ipV4(), fc.integer({ min: 0, max: 32 }), negated)
    .map(([which, address, prefixLength, not]) => ({ match: which, address, prefixLength, ...not })),
  fc
    .tuple(fc.constantFrom('in-interface', 'out-interface'), name, negated)
    .map(([which, interfaceName, not]) => ({ match: which, name: interfaceName, ...not })),
  fc
    .tuple(fc.constantFrom('tcp', 'udp', 'icmp', '47'), negated)
    .map(([protocol, not]): Match => ({ match: 'protocol', protocol, ...not })),
  fc
    .tuple(fc.constantFrom('tcp', 'udp'), fc.tuple(ports, negated), fc.tuple(ports, negated))
    .map(([which, [from, notFrom], [to, notTo]]) => ({
      match: which,
      sourcePort: { ...from, ...notFrom },
      destinationPort: { ...to, ...notTo },
    })),
  fc
    .tuple(fc.constantFrom('mark', 'connmark'), mark, negated)
    .map(([which, value, not]) => ({ match: which, mark: value, ...not })),
  fc.constant<Match>({ match: 'conntrack', states: ['NEW', 'ESTABLISHED'] }),
  fc
    .string({ minLength: 1 })
    .filter((text) => !/[\n\r\0]/.test(text))
    .map((text): Match => ({ match: 'comment', text })),
  fc.constant<Match>({ match: 'raw', text: '-m ttl --ttl-lt 2' }),
);
const target: fc.Arbitrary<Target> = fc.oneof(
  fc.constantFrom<Target>({ target: 'ACCEPT' }, { target: 'jump', chain: 'MINE' }, { target: 'goto', chain: 'MINE' }),
  mark.map((value): Target => ({ target: 'CONNMARK', operation: 'set-xmark', mark: value })),
  fc
    .tuple(bits, bits)
    .map(([nfmask, ctmask]): Target => ({ target: 'CONNMARK', operation: 'save-mark', nfmask, ctmask })),
  fc.constant<Target>({ target: 'raw', text: 'NFLOG --nflog-prefix "a b"' }),
);
const own: fc.Arbitrary<Target> = fc.oneof(
  target,
  fc.tuple(port, mark).map(([onPort, value]): Target => ({ target: 'TPROXY', onPort, onIp: '0.0.0.0', mark: value })),
);
const rule: fc.Arbitrary<Rule> = fc.record(
  { chain: fc.constantFrom('PREROUTING', 'MINE'), matches: fc.array(match, { maxLength: 5 }), target: own },
  { requiredKeys: ['chain', 'matches'] },
);

test('rules come back from their text as the same data (property)', () => {
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 5 }), (rules) => {
      const chains = [{ name: 'PREROUTING', policy: 'ACCEPT' as const }, { name: 'MINE' }];
      const ruleSet = { family: 'ipv4' as const, tables: [buildTable('mangle', chains, rules)] };
      expect(parseSave(renderSave(ruleSet, { counters: false }), 'ipv4')).toEqual(ruleSet);
      expect(parseSave(renderSave(buildListing(ruleSet), { counters: false }), 'ipv4')).toEqual(buildListing(ruleSet));
      expect(buildListing(buildListing(ruleSet))).toEqual(buildListing(ruleSet));
    }),
  );
});

const impossible: readonly Rule[] = [
  { chain: 'A B', matches: [] },
  { chain: '-F', matches: [] },
  { chain: 'A', matches: [{ match: 'in-interface', name: 'eth0 -j ACCEPT' }] },
  { chain: 'A', matches: [{ match: 'in-interface', name: 'eth0\n-F' }] },
  { chain: 'A', matches: [{ match: 'comment', text: 'x\n-F' }] },
  { chain: 'A', matches: [{ match: 'raw', text: '' }] },
  { chain: 'A', matches: [{ match: 'tcp', implicit: true }] },
  { chain: 'A', matches: [{ match: 'tcp', destinationPort: { first: 70_000 } }] },
  { chain: 'A', matches: [{ match: 'tcp', destinationPort: { first: 9, last: 8 } }] },
  { chain: 'A', matches: [{ match: 'mark', mark: { value: -1, mask: 0 } }] },
];
test.each(impossible)('impossible rule %j is refused', (bad) => {
  expect(() => renderRule(bad)).toThrow(expect.objectContaining({ code: 'IPTABLES_RULE_INVALID' }));
});

test('a target of another table is refused', () => {
  const redirect: Rule = { chain: 'A', matches: [], target: { target: 'REDIRECT', toPorts: { first: 1 } } };
  expect(() => buildTable('mangle', [], [redirect])).toThrow(/REDIRECT.*not for table mangle/);
});

test('a restore payload sets policies, and leaves empty tables out', () => {
  const tables = [
    buildTable('raw', [], []),
    buildTable('filter', [{ name: 'INPUT', policy: 'DROP' }, { name: 'X' }], []),
  ];
  expect(renderRestore({ family: 'ipv4', tables })).toBe('* filter\n:INPUT DROP\n-N X\nCOMMIT\n');
});
