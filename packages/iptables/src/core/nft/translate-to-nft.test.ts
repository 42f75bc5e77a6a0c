import {
  buildAmbientPodRules,
  IptablesError,
  parseSave,
  type Rule,
  type RuleSet,
  renderNft,
  translateToNft,
} from '@ambientmesh/iptables';
import { expect, test } from 'vitest';

const read = (family: 'ipv4' | 'ipv6', text: string): RuleSet => parseSave(text, family);

/** Rules of `table` as nft texts, built-in chain `chain` only. */
function translate(table: string, chain: string, v4: readonly string[], v6: readonly string[] = []): readonly string[] {
  const save = (rules: readonly string[]) =>
    `*${table}\n:USER - [0:0]\n${rules.map((rule) => `-A ${chain} ${rule}\n`).join('')}COMMIT\n`;
  const tables = translateToNft(
    {
      ...(v4.length > 0 ? { v4: read('ipv4', save(v4)) } : {}),
      ...(v6.length > 0 ? { v6: read('ipv6', save(v6)) } : {}),
    },
    { prefix: 't-' },
  );
  return tables.flatMap(({ rules }) => rules.map(({ text }) => text));
}

const BOTH: readonly (readonly [table: string, rule: string, text: string])[] = [
  ['filter', '-i eth0 -j DROP', 'iifname "eth0" counter drop'],
  ['filter', '! -o veth+ -j DROP', 'oifname != "veth*" counter drop'],
  ['filter', '-i + -j ACCEPT', 'counter accept'],
  ['filter', '-p tcp -m tcp --dport 80 -j ACCEPT', 'meta l4proto tcp tcp dport 80 counter accept'],
  ['filter', '-p tcp -m tcp ! --sport 1:3 -j ACCEPT', 'meta l4proto tcp tcp sport != 1-3 counter accept'],
  ['filter', '! -p udp -j RETURN', 'meta l4proto != udp counter return'],
  ['filter', '-p 47 -j DROP', 'meta l4proto 47 counter drop'],
  [
    'filter',
    '-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT',
    'meta l4proto tcp tcp flags & (fin | syn | rst | ack) == syn counter accept',
  ],
  [
    'filter',
    '-p tcp -m tcp ! --tcp-flags SYN,RST NONE -j ACCEPT',
    'meta l4proto tcp tcp flags & (syn | rst) != 0x0 counter accept',
  ],
  [
    'filter',
    '-p tcp -m multiport --dports 80,79,100:110,105 -j ACCEPT',
    'meta l4proto tcp tcp dport { 79-80, 100-110 } counter accept',
  ],
  [
    'filter',
    '-p udp -m multiport ! --ports 5 -j ACCEPT',
    'meta l4proto udp udp sport != 5 udp dport != 5 counter accept',
  ],
  [
    'filter',
    '-p udp -m multiport --ports 5 -j ACCEPT',
    'meta l4proto udp udp sport . udp dport { 5 . 0-65535, 0-65535 . 5 } counter accept',
  ],
  ['filter', '-m mark ! --mark 0x5/0xff -j ACCEPT', 'meta mark & 0xff != 0x5 counter accept'],
  ['filter', '-m connmark --mark 0x5 -j ACCEPT', 'ct mark == 0x5 counter accept'],
  ['filter', '-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT', 'ct state related,established counter accept'],
  ['filter', '-m conntrack ! --ctstate INVALID,NEW -j ACCEPT', 'ct state != { invalid, new } counter accept'],
  ['filter', '-m conntrack --ctstate DNAT -j ACCEPT', 'ct status dnat counter accept'],
  ['filter', '-m owner --uid-owner 5-7 -j ACCEPT', 'meta skuid 5-7 counter accept'],
  ['filter', '-m addrtype --dst-type LOCAL -j ACCEPT', 'fib daddr type local counter accept'],
  [
    'filter',
    '-m statistic --mode random --probability 0.50000000000 -j ACCEPT',
    'numgen random mod 2147483648 < 1073741824 counter accept',
  ],
  ['filter', '-m comment --comment "say \\"it\\"" -j ACCEPT', `counter accept comment "say 'it'"`],
  ['filter', '-j LOG --log-prefix "a b: " --log-level 6', 'counter log prefix "a b: " level info'],
  ['filter', '-p tcp -j REJECT --reject-with tcp-reset', 'meta l4proto tcp counter reject with tcp reset'],
  ['filter', '-j USER', 'jump USER'],
  ['filter', '-g USER', 'goto USER'],
  ['filter', '', 'counter'],
  ['mangle', '-j MARK --set-xmark 0x1/0xff', 'counter meta mark set meta mark & 0xffffff00 | 0x1'],
  ['mangle', '-j MARK --set-xmark 0x1/0xffffffff', 'counter meta mark set 0x1'],
  ['mangle', '-j MARK --set-xmark 0x1ff/0xf', 'counter meta mark set meta mark & 0xfffffff0 ^ 0x1ff'],
  ['mangle', '-j MARK --set-xmark 0x0/0xff', 'counter meta mark set meta mark & 0xffffff00'],
  ['mangle', '-j CONNMARK --set-xmark 0x111/0xfff', 'counter ct mark set ct mark & 0xfffff000 | 0x111'],
  ['mangle', '-j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xff', 'counter meta mark set ct mark & 0xff'],
  ['mangle', '-j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff', 'counter ct mark set meta mark'],
  [
    'mangle',
    '-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu',
    'meta l4proto tcp tcp flags & (syn | rst) == syn counter tcp option maxseg size set rt mtu',
  ],
  ['raw', '-j CT --zone 7', 'counter ct zone set 7'],
  ['raw', '-j CT --notrack', 'counter notrack'],
  ['nat', '-p tcp -j REDIRECT --to-ports 15001', 'meta l4proto tcp counter redirect to :15001'],
  ['nat', '-p tcp -j MASQUERADE --to-ports 1-9 --random', 'meta l4proto tcp counter masquerade to :1-9 random'],
];

test.each(BOTH)('%s: %s is one rule for both families', (table, rule, text) => {
  expect(translate(table, 'OUTPUT', [rule], [rule])).toEqual([text]);
  expect(translate(table, 'OUTPUT', [rule])).toEqual([`meta nfproto ipv4 ${text}`]);
  expect(translate(table, 'OUTPUT', [], [rule])).toEqual([`meta nfproto ipv6 ${text}`]);
});

test.each([
  ['filter', '-s 10.0.0.0/8', 'fd00::/8', 'saddr X counter'],
  ['filter', '! -d 10.0.0.1', 'fd00::1', 'daddr != X counter'],
  ['nat', '-d 10.0.0.1 -j ACCEPT', 'fd00::1', 'daddr X counter accept'],
])('%s: %s guards itself in %s', (table, rule, v6Address, text) => {
  const address = /10[\d./]*/.exec(rule)?.[0] ?? '';
  expect(translate(table, 'OUTPUT', [rule], [rule.replace(address, v6Address)])).toEqual([
    `ip ${text.replace('X', address)}`,
    `ip6 ${text.replace('X', v6Address)}`,
  ]);
});

test.each([
  [
    'ipv4',
    'filter',
    '-p icmp -m icmp --icmp-type 3/1 -j DROP',
    'meta l4proto icmp icmp type 3 icmp code 1 counter drop',
  ],
  [
    'ipv4',
    'filter',
    '-p icmp -m icmp ! --icmp-type 3/1 -j DROP',
    'meta l4proto icmp icmp type . icmp code != { 3 . 1 } counter drop',
  ],
  ['ipv4', 'filter', '-p icmp -m icmp --icmp-type 255 -j DROP', 'meta l4proto icmp counter drop'],
  [
    'ipv6',
    'filter',
    '-p ipv6-icmp -m icmp6 --icmpv6-type 255 -j DROP',
    'meta l4proto icmpv6 icmpv6 type 255 counter drop',
  ],
  ['ipv4', 'filter', '-m addrtype --dst-type UNICAST,LOCAL -j DROP', 'fib daddr type { unicast, local } counter drop'],
  [
    'ipv4',
    'filter',
    '-j REJECT --reject-with icmp-proto-unreachable',
    'counter reject with icmp type prot-unreachable',
  ],
  [
    'ipv4',
    'nat',
    '-p tcp -j DNAT --to-destination 10.0.0.1:80-90',
    'meta l4proto tcp counter dnat ip to 10.0.0.1:80-90',
  ],
  ['ipv6', 'nat', '-p tcp -j DNAT --to-destination [fd00::1]:80', 'meta l4proto tcp counter dnat ip6 to [fd00::1]:80'],
] as const)('%s %s: %s', (family, table, rule, text) => {
  const rules = family === 'ipv4' ? translate(table, 'OUTPUT', [rule]) : translate(table, 'OUTPUT', [], [rule]);
  expect(rules).toEqual([`meta nfproto ${family} ${text}`]);
});

test('the messages of REJECT become one rule where both families have them', () => {
  const texts = translate(
    'filter',
    'INPUT',
    ['-j REJECT --reject-with icmp-port-unreachable'],
    ['-j REJECT --reject-with icmp6-port-unreachable'],
  );
  expect(texts).toEqual(['counter reject with icmpx type port-unreachable']);
});

test('TPROXY drops what no transparent socket takes, as iptables does', () => {
  const rule = '-p tcp -m tcp --dport 80 -j TPROXY --on-port 15006 --on-ip 0.0.0.0 --tproxy-mark 0x111/0xfff';
  const texts = translate('mangle', 'PREROUTING', [rule], [rule.replace('0.0.0.0', '::')]);
  const matches = 'meta l4proto tcp tcp dport 80 counter';
  const setMark = 'meta mark set meta mark & 0xfffff000 | 0x111';
  expect(texts).toEqual([
    `meta nfproto ipv4 ${matches} tproxy ip to :15006 ${setMark} accept`,
    `meta nfproto ipv6 ${matches} tproxy ip6 to :15006 ${setMark} accept`,
    `${matches} drop`,
  ]);
  const only = translate('mangle', 'PREROUTING', [rule.replace('0.0.0.0', '10.0.0.1')]);
  expect(only[0]).toContain(' tproxy ip to 10.0.0.1:15006 ');
});

test('what counts packets is neither shared nor reached by the other family', () => {
  const rule = '-s 10.0.0.1 -m limit --limit 3/min -j ACCEPT';
  expect(
    translate(
      'filter',
      'INPUT',
      [rule, '-m statistic --mode nth --every 3 --packet 1'],
      ['-m statistic --mode nth --every 3 --packet 1'],
    ),
  ).toEqual([
    'meta nfproto ipv4 ip saddr 10.0.0.1 limit rate 3/minute burst 5 packets counter accept',
    'meta nfproto ipv6 numgen inc mod 3 1 counter',
    'meta nfproto ipv4 numgen inc mod 3 1 counter',
  ]);
});

test('header matches are looked at first, wherever they are written', () => {
  const matches = [
    { match: 'limit', packets: 1, per: 'sec', burst: 9 },
    { match: 'source', address: '10.0.0.1' },
  ] as const;
  const v4: RuleSet = {
    family: 'ipv4',
    tables: [{ name: 'filter', chains: [], rules: [{ chain: 'INPUT', matches }] }],
  };
  expect(translateToNft({ v4 }, { prefix: '' })[0]?.rules[0]?.text).toBe(
    'meta nfproto ipv4 ip saddr 10.0.0.1 limit rate 1/second burst 9 packets counter',
  );
});

test.each([
  ['! -s 0.0.0.0/0 -j DROP'],
  ['! -i + -j DROP'],
  ['-m statistic --mode random --probability 0.00000000000 -j DROP'],
  ['-p tcp -m tcp --tcp-flags SYN ACK -j DROP'],
  ['-p icmp -m icmp ! --icmp-type 255 -j DROP'],
  ['-m mark --mark 0x1/0x0 -j DROP'],
])('%s can meet no packet and is left out', (rule) => {
  expect(translate('filter', 'INPUT', [rule])).toEqual([]);
});

test.each([
  ['filter', '-m ttl --ttl-lt 2 -j DROP', '-m ttl --ttl-lt 2'],
  ['filter', '-j NFLOG --nflog-group 5', '-j NFLOG --nflog-group 5'],
  ['filter', '-m owner --socket-exists -j DROP', '--socket-exists'],
  ['filter', '-m owner ! --uid-owner 5 -j DROP', 'owner ! --uid-owner'],
  ['filter', '-m conntrack ! --ctstate DNAT -j DROP', '! --ctstate DNAT'],
  ['filter', '-m conntrack --ctstate NEW,DNAT -j DROP', '--ctstate NEW,DNAT'],
  ['filter', '-m set --match-set x src,dst -j DROP', 'a set of 2 dimensions'],
  ['filter', '-j LOG --log-prefix "a $b"', 'log prefix a $b'],
  [
    'mangle',
    '-j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff',
    '--restore-mark that keeps bits of the mask 0xff',
  ],
  ['mangle', '-j CONNMARK --save-mark --nfmask 0xff --ctmask 0xff', '--save-mark that keeps bits of the mask 0xff'],
])('%s: %s has no nft form', (table, rule, what) => {
  const attempt = () => translate(table, 'OUTPUT', [rule]);
  expect(attempt).toThrow(IptablesError);
  expect(attempt).toThrow(`${what} has no nft form; write it yourself`);
  expect(attempt).toThrow(expect.objectContaining({ code: 'IPTABLES_RULE_INVALID' }));
  expect(attempt).toThrow('-A OUTPUT ');
});

test('UNICAST means something else for IPv6 in iptables', () => {
  expect(() => translate('filter', 'INPUT', [], ['-m addrtype --dst-type UNICAST -j DROP'])).toThrow('no nft form');
});

test('base chains have the priorities of iptables', () => {
  const save = `*nat\n-A PREROUTING -i a\n-A INPUT -i a\n-A OUTPUT -o a\n-A POSTROUTING -o a\nCOMMIT
*mangle\n-A PREROUTING -i a\n-A OUTPUT -o a\nCOMMIT\n*raw\n-A PREROUTING -i a\nCOMMIT
*filter\n-A FORWARD -i a\nCOMMIT\n*security\n-A INPUT -i a\nCOMMIT\n`;
  const tables = translateToNft({ v4: read('ipv4', save) }, { prefix: 'own-' });
  const hooks = tables.flatMap(({ name, chains }) =>
    chains.map((chain) => `${name} ${chain.name} ${chain.hook?.type} ${chain.hook?.priority}`),
  );
  expect(hooks).toEqual([
    'own-nat prerouting nat -100',
    'own-nat input nat 100',
    'own-nat output nat -100',
    'own-nat postrouting nat 100',
    'own-mangle prerouting filter -150',
    'own-mangle output route -150',
    'own-raw prerouting filter -300',
    'own-filter forward filter 0',
    'own-security input filter 50',
  ]);
});

test('a policy that only one family has holds for that family only, after RETURN and goto as well', () => {
  const v4 = read('ipv4', '*filter\n:FORWARD DROP [0:0]\n:OUTPUT DROP [0:0]\n-A FORWARD -i a -j RETURN\nCOMMIT\n');
  const v6 = read('ipv6', '*filter\n:FORWARD ACCEPT [0:0]\n:OUTPUT DROP [0:0]\n-A FORWARD -i a -j RETURN\nCOMMIT\n');
  expect(renderNft(translateToNft({ v4, v6 }, { prefix: '' }))).toBe(`add table inet filter
flush table inet filter
add chain inet filter forward { type filter hook forward priority 0 ; }
add chain inet filter output { type filter hook output priority 0 ; policy drop ; }
add chain inet filter rules-forward
add rule inet filter forward jump rules-forward
add rule inet filter forward meta nfproto ipv4 counter drop
add rule inet filter rules-forward iifname "a" counter return
`);
});

test('chain names are safe and stay different', () => {
  const names = ['DOCKER-USER', 'istio_out', 'log', 'output', 'a$b', 'A.B', '1ST', 'user-1ST', 'KUBE:X', 'user-A'];
  const v4: RuleSet = {
    family: 'ipv4',
    tables: [{ name: 'filter', chains: names.map((name) => ({ name })), rules: [] }],
  };
  const chains = translateToNft({ v4 }, { prefix: '' })[0]?.chains.map(({ name }) => name) ?? [];
  expect(chains.slice(0, 4)).toEqual(['DOCKER-USER', 'istio_out', 'user-log', 'user-output']);
  expect(new Set(chains).size).toBe(names.length);
  for (const chain of chains) expect(chain).toMatch(/^[A-Za-z][\w.-]*$/);
});

test('sets are declared in the tables that name them', () => {
  const v4 = read('ipv4', '*filter\n-A INPUT -m set --match-set hosts src -j DROP\nCOMMIT\n');
  const v6 = read('ipv6', '*filter\n-A INPUT -m set ! --match-set hosts6 src -j DROP\nCOMMIT\n');
  const [table] = translateToNft({ v4, v6 }, { prefix: '' });
  expect(table?.sets).toEqual([
    { name: 'hosts', type: 'ipv4_addr' },
    { name: 'hosts6', type: 'ipv6_addr' },
  ]);
  expect(table?.rules.map(({ text }) => text)).toEqual([
    'ip saddr @hosts counter drop',
    'ip6 saddr != @hosts6 counter drop',
  ]);
  expect(() => translateToNft({ v4, v6: { ...v6, tables: v4.tables } }, { prefix: '' })).toThrow('both families');
});

/** A rule that nothing but the interface tells from others. */
function ruleOf(name: string, position?: number): Rule<'filter'> {
  const matches = [{ match: 'in-interface', name } as const];
  return { chain: 'INPUT', matches, ...(position === undefined ? {} : { position }) };
}

/** Three rules, the last at `position`. */
function insertAt(position: number): RuleSet {
  const rules = [ruleOf('a'), ruleOf('b', 1), ruleOf('c', position)];
  return { family: 'ipv4', tables: [{ name: 'filter', chains: [], rules }] };
}

test('inserted rules are put where iptables would put them', () => {
  const texts = translateToNft({ v4: insertAt(2) }, { prefix: '' })[0]?.rules.map(
    ({ text }) => /"(.*)"/.exec(text)?.[1],
  );
  expect(texts).toEqual(['b', 'c', 'a']);
  expect(() => translateToNft({ v4: insertAt(4) }, { prefix: '' })).toThrow('the chain has only 2 rules');
});

test('wrong arguments are refused', () => {
  const v4: RuleSet = { family: 'ipv4', tables: [] };
  expect(translateToNft({ v4 }, { prefix: 'x' })).toEqual([]);
  expect(() => translateToNft({ v6: v4 }, { prefix: '' })).toThrow('a rule set for ipv4 where one for ipv6 is wanted');
  expect(() => translateToNft({ v4 }, { prefix: 'a; flush ruleset' })).toThrow('want a plain name');
  const lost = { chain: 'INPUT', matches: [], target: { target: 'jump', chain: 'LOST' } } as const;
  const jump: RuleSet = { family: 'ipv4', tables: [{ name: 'filter', chains: [], rules: [lost] }] };
  expect(() => translateToNft({ v4: jump }, { prefix: '' })).toThrow('there is no chain LOST');
});

/** Many rules of which the first nine depend on `extra`. */
function manyRules(family: 'ipv4' | 'ipv6', extra: number): RuleSet {
  const rules = Array.from({ length: 20_000 }, (_, index) => ruleOf(`i${index < 9 ? index + extra : index}`));
  return { family, tables: [{ name: 'filter', chains: [], rules }] };
}

test('20,000 rules a family are merged in time', () => {
  const [table] = translateToNft({ v4: manyRules('ipv4', 0), v6: manyRules('ipv6', 50_000) }, { prefix: '' });
  expect(table?.rules.length).toBe(20_009);
});

test('ambient rules of IPv4 alone never apply to IPv6', () => {
  const { v4 } = buildAmbientPodRules({ capture: 'tproxy', dns: true, ipv6: false });
  for (const { rules } of translateToNft({ v4 }, { prefix: '' }))
    for (const { text } of rules) expect(text).toMatch(/^meta nfproto ipv4 |^ip [sd]addr /);
});
