import { execFileSync } from 'node:child_process';
import { buildAmbientPodRules, type NftTable, parseSave, renderNft, translateToNft } from '@ambientmesh/iptables';
import { expect, test } from 'vitest';

/** What the kernel lists after the tables were loaded, without indentation. */
function load(tables: readonly NftTable[]): readonly string[] {
  const script = 'nft -f - && nft -s list ruleset';
  const options = { encoding: 'utf8', input: renderNft(tables), stdio: 'pipe' } as const;
  return execFileSync('unshare', ['-n', 'sh', '-ec', script], options)
    .split('\n')
    .map((line) => line.trim());
}

/** Everything that can be translated, with what differs between the families in %…%. */
const FIREWALL = `*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:DOCKER-USER - [0:0]
:log - [0:0]
-A INPUT -s %net% -i eth+ -j ACCEPT
-A INPUT ! -d %host% ! -i lo -j log
-A INPUT -p tcp -m tcp ! --sport 80 --dport 1:65535 -j ACCEPT
-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j LOG --log-prefix "syn: " --log-level 6
-A INPUT -p tcp -m tcp ! --tcp-flags FIN,SYN FIN,SYN -j LOG
-A INPUT -p tcp -m multiport --dports 80,443,8000:8080 -j ACCEPT
-A INPUT -p udp -m multiport ! --sports 53,67 -j ACCEPT
-A INPUT -p sctp -m multiport --ports 1,2:9 -j ACCEPT
-A INPUT -p udp -m multiport ! --ports 1,2:9 -j ACCEPT
-A INPUT -p %icmp% -j ACCEPT
-A INPUT -m mark --mark 0x1/0xff -m connmark ! --mark 0x2 -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -m conntrack ! --ctstate INVALID,UNTRACKED -j RETURN
-A INPUT -m conntrack --ctstate SNAT,DNAT -j DROP
-A INPUT -m addrtype --dst-type LOCAL -m addrtype ! --src-type MULTICAST -j ACCEPT
-A INPUT -m limit --limit 3/min --limit-burst 7 -m comment --comment "slow; $x" -j LOG
-A INPUT -m statistic --mode random --probability 0.25000000000 -j DROP
-A INPUT -m statistic --mode nth --every 3 --packet 1 -j DROP
-A INPUT -m set --match-set %set% src -j DROP
-A INPUT -p tcp -j REJECT --reject-with tcp-reset
-A INPUT -j REJECT --reject-with %reject%
-A FORWARD -g DOCKER-USER
-A DOCKER-USER -p 47
-A DOCKER-USER -j RETURN
COMMIT
*mangle
-A PREROUTING -p tcp -m tcp --dport 15008 -j TPROXY --on-port 15008 --on-ip %any% --tproxy-mark 0x111/0xfff
-A PREROUTING -p udp -j TPROXY --on-port 15008 --on-ip %own% --tproxy-mark 0x0/0x0
-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1300
-A OUTPUT -m owner --uid-owner 5-7 -m owner --gid-owner 3 -j MARK --set-xmark 0x1ff/0xf
-A OUTPUT -j CONNMARK --set-xmark 0x111/0xfff
-A OUTPUT -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xff
-A OUTPUT -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff
COMMIT
*nat
-A PREROUTING -p tcp -j DNAT --to-destination %target%
-A OUTPUT -p tcp -j REDIRECT --to-ports 1-9
-A INPUT -j SNAT --to-source %own%
-A POSTROUTING -p udp -j MASQUERADE --to-ports 1024-2048 --random-fully
COMMIT
*raw
-A PREROUTING -i lo -j CT --notrack
-A OUTPUT -j CT --zone 1
COMMIT
*security
-A OUTPUT -j ACCEPT
COMMIT
`;
const WORDS = {
  ipv4: {
    net: '10.0.0.0/8',
    host: '10.0.0.1/32',
    icmp: 'icmp -m icmp ! --icmp-type 3/1',
    set: 'hosts',
    reject: 'icmp-port-unreachable',
    any: '0.0.0.0',
    own: '10.0.0.1',
    target: '10.0.0.1:80-90',
  },
  ipv6: {
    net: 'fd00::/8',
    host: 'fd00::1/128',
    icmp: 'ipv6-icmp -m icmp6 --icmpv6-type 1/4',
    set: 'hosts6',
    reject: 'icmp6-adm-prohibited',
    any: '::',
    own: 'fd00::1',
    target: '[fd00::1]:80',
  },
} as const;

function firewallOf(family: 'ipv4' | 'ipv6') {
  const words: ReadonlyMap<string, string> = new Map(Object.entries(WORDS[family]));
  return parseSave(
    FIREWALL.replaceAll(/%(\w+)%/g, (_, word: string) => words.get(word) ?? ''),
    family,
  );
}

test.each([
  { name: 'IPv4 alone', ruleSets: { v4: firewallOf('ipv4') } },
  { name: 'IPv6 alone', ruleSets: { v6: firewallOf('ipv6') } },
  { name: 'both', ruleSets: { v4: firewallOf('ipv4'), v6: firewallOf('ipv6') } },
])('nft takes every translation: $name', ({ ruleSets }) => {
  const tables = translateToNft(ruleSets, { prefix: 'all-' });
  const rules = tables.reduce((sum, table) => sum + table.rules.length, 0);
  const listed = load(tables);
  const ofRules = listed.filter((line) => /\b(?:counter|jump|goto)\b/.test(line) && !line.startsWith('chain'));
  expect(ofRules.length).toBe(rules);
});

/**
 * Listed rules, comparable between our translation and the words of the reference. What differs and is made equal here:
 * names of chains (ours are those of iptables), the order of conditions (ours is that of the iptables rule, which the
 * kernel evaluates in any case until one fails), and the order of chains in the listing.
 */
function comparable(lines: readonly string[]): readonly string[] {
  let place = '';
  const rules: string[] = [];
  for (const line of lines) {
    const renamed = line.replace('ISTIO_PRERT', 'istio-prerouting').replace('ISTIO_OUTPUT', 'istio-output');
    if (/^(?:table|chain) /.test(renamed))
      place = renamed.startsWith('table') ? renamed : `${place.split(' > ')[0]} > ${renamed}`;
    else if (renamed !== '' && renamed !== '}') rules.push(`${place} ${sortConditions(renamed)}`);
  }
  // Stable, so that the order of rules within a chain counts.
  return rules.toSorted((one, other) => (one.split(' { ')[1] ?? '').localeCompare(other.split(' { ')[1] ?? ''));
}

function sortConditions(rule: string): string {
  const [conditions = '', ...rest] = rule.split(/ (?=counter)/);
  return [...conditions.split(/ (?=(?:ip6? [sd]addr|meta |udp |tcp |oifname|iifname|ct ))/).toSorted(), ...rest].join(
    ' ',
  );
}

test.each([{ dns: true }, { dns: false }, { dns: true, ingress: true }, { dns: false, virtualInterfaces: ['tap0'] }])(
  'the redirect form is listed as in the words of the reference, both families: %o',
  (options) => {
    const rules = buildAmbientPodRules({ capture: 'redirect', ipv6: true, ...options });
    const ours = comparable(load(translateToNft(rules, { prefix: 'istio-ambient-' })));
    expect(ours).toEqual(comparable(load(rules.nftables ?? [])));
  },
);
