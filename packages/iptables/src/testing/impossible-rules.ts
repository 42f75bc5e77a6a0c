import type { Family, Rule, TableName } from '../core/rule.ts';

/** A rule (or some) that the kernel or the tool refuses, and what the check says of it. */
export interface Impossible {
  readonly family?: Family;
  readonly table: TableName;
  /** Restore lines of the table; chains are declared with `-N`. */
  readonly lines: readonly string[];
  readonly reason: RegExp;
  /** The tool takes it as something else than written, or it can never match. */
  readonly taken?: true;
}

const long = (length: number) => 'x'.repeat(length);

/** Rows are lines, so that the tools can be asked too. */
export const IMPOSSIBLE: readonly Impossible[] = [
  { table: 'filter', lines: ['-A INPUT -o eth0 -j ACCEPT'], reason: /-o cannot be used in INPUT/ },
  { table: 'filter', lines: ['-A OUTPUT -i eth0 -j ACCEPT'], reason: /-i cannot be used in OUTPUT/ },
  { table: 'nat', lines: ['-A PREROUTING -o eth0 -j ACCEPT'], reason: /-o cannot be used in PREROUTING/ },
  { table: 'nat', lines: ['-A POSTROUTING -i eth0 -j ACCEPT'], reason: /-i cannot be used in POSTROUTING/ },
  { table: 'filter', lines: ['-A INPUT -m owner --uid-owner 0 -j ACCEPT'], reason: /packets of this machine/ },
  {
    table: 'filter',
    lines: ['-N A', '-N B', '-A OUTPUT -j A', '-A FORWARD -g A', '-A A -j B', '-A B -m owner --socket-exists -j DROP'],
    reason: /^filter B .*those of FORWARD may have none/,
  },
  { table: 'filter', lines: ['-A OUTPUT -m owner --uid-owner 4294967295 -j DROP'], reason: /want at most 4294967294/ },
  { table: 'filter', lines: ['-A OUTPUT -m owner --uid-owner 9-5 -j DROP'], reason: /want the lower one first/ },
  { table: 'filter', lines: ['-A INPUT -m tcp --dport 80 -j ACCEPT'], reason: /ports of tcp need -p tcp/ },
  { table: 'filter', lines: ['-A INPUT -p udp -m tcp --dport 80 -j ACCEPT'], reason: /ports of tcp need -p tcp/ },
  { table: 'filter', lines: ['-A INPUT ! -p tcp -m udp --dport 80 -j ACCEPT'], reason: /ports of udp need -p udp/ },
  { table: 'filter', lines: ['-A INPUT -m multiport --ports 1,2 -j ACCEPT'], reason: /multiport needs -p with one of/ },
  { table: 'filter', lines: ['-A INPUT -p icmp -m multiport --ports 1,2 -j ACCEPT'], reason: /multiport needs -p/ },
  {
    table: 'filter',
    lines: ['-A INPUT -p tcp -m multiport --ports 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15:16 -j ACCEPT'],
    reason: /16 ports, a range counting twice: want at most 15/,
  },
  { table: 'filter', lines: ['-A INPUT -m icmp --icmp-type 8 -j ACCEPT'], reason: /icmp needs -p icmp/ },
  { family: 'ipv6', table: 'filter', lines: ['-A INPUT -p icmp -m icmp --icmp-type 8'], reason: /icmp is of ipv4/ },
  { family: 'ipv6', table: 'filter', lines: ['-A INPUT -p icmp -m icmp6 --icmpv6-type 8'], reason: /-p ipv6-icmp/ },
  {
    table: 'filter',
    lines: ['-A INPUT -s 10.0.0.256 -j ACCEPT'],
    reason: /"10.0.0.256" is no address: want one of ipv4/,
  },
  { table: 'filter', lines: ['-A INPUT -s 10.0.0.1/33 -j ACCEPT'], reason: /prefix length 33: want 0 to 32/ },
  { family: 'ipv6', table: 'filter', lines: ['-A INPUT -s ::1/129'], reason: /prefix length 129: want 0 to 128/ },
  { table: 'filter', lines: ['-A INPUT ! -s 0.0.0.0/0 -j ACCEPT'], reason: /no packet has an address outside/ },
  { table: 'filter', lines: ['-A INPUT ! -i + -j ACCEPT'], reason: /no packet has an interface outside/, taken: true },
  { table: 'filter', lines: ['-A INPUT ! -p all -j ACCEPT'], reason: /no packet has a protocol outside/ },
  { table: 'filter', lines: ['-A INPUT -p 256 -j ACCEPT'], reason: /protocol "256"/ },
  {
    table: 'filter',
    lines: ['-A INPUT -p tpc -j ACCEPT'],
    reason: /protocol "tpc": want a name, such as tcp, or a num/,
  },
  { table: 'filter', lines: ['-A INPUT -p tcp -m tcp ! --dport 0:65535'], reason: /no packet has a port/, taken: true },
  { table: 'filter', lines: ['-A INPUT -p tcp -m tcp --tcp-flags SYN ACK'], reason: /must be examined/, taken: true },
  { table: 'filter', lines: [`-A INPUT -i ${long(16)} -j ACCEPT`], reason: /longer than 15 bytes/ },
  { table: 'filter', lines: [`-A INPUT -m comment --comment ${long(256)}`], reason: /longer than 255/, taken: true },
  { table: 'filter', lines: [`-A INPUT -j LOG --log-prefix ${long(30)}`], reason: /longer than 29/, taken: true },
  { table: 'filter', lines: ['-A INPUT -j LOG --log-level 8'], reason: /log level 8: want 0 to 7/ },
  { table: 'filter', lines: [`-A INPUT -m set --match-set ${long(32)} src`], reason: /longer than 31 bytes/ },
  { table: 'filter', lines: ['-A INPUT -m set --match-set x src,src,src,src,src,src,src'], reason: /7 directions/ },
  {
    family: 'ipv6',
    table: 'filter',
    lines: ['-A INPUT -m addrtype --dst-type BROADCAST'],
    reason: /no addresses of type/,
  },
  { table: 'filter', lines: ['-A INPUT -m limit --limit 10001/sec'], reason: /10001 a sec/ },
  { table: 'filter', lines: ['-A INPUT -m limit --limit 0/day'], reason: /0 a day/ },
  { table: 'filter', lines: ['-A INPUT -m limit --limit 1/min --limit-burst 10001'], reason: /burst 10001/ },
  { table: 'filter', lines: ['-A INPUT -m statistic --mode nth --every 3 --packet 3'], reason: /packet 3 of 3/ },
  { table: 'filter', lines: ['-A INPUT -m statistic --mode nth --every 0 --packet 0'], reason: /every 0 packets/ },
  { table: 'filter', lines: ['-A INPUT -s 1.2.3.4 -s 1.2.3.5 -j ACCEPT'], reason: /source is there twice/ },
  { table: 'filter', lines: ['-A INPUT -p tcp -p udp -j ACCEPT'], reason: /protocol is there twice/ },
  { table: 'filter', lines: ['-A INPUT -j REJECT --reject-with tcp-reset'], reason: /tcp-reset needs -p tcp/ },
  { table: 'filter', lines: ['-A INPUT -j REJECT --reject-with icmp6-no-route'], reason: /want one of icmp-port-unr/ },
  { table: 'filter', lines: ['-A FORWARD -j TCPMSS --set-mss 1400'], reason: /TCPMSS needs -p tcp/ },
  {
    table: 'mangle',
    lines: ['-A PREROUTING -p tcp -m tcp --tcp-flags SYN SYN -j TCPMSS --clamp-mss-to-pmtu'],
    reason: /the path of packets of PREROUTING is not known/,
  },
  { table: 'nat', lines: ['-A PREROUTING -j REDIRECT --to-ports 5'], reason: /changing ports needs -p/ },
  { table: 'nat', lines: ['-A INPUT -p tcp -j REDIRECT --to-ports 5'], reason: /packets of INPUT get to it/ },
  {
    table: 'nat',
    lines: [
      '-N A',
      '-N B',
      '-A B -p tcp -j REDIRECT --to-ports 5',
      '-A A -j B',
      '-A OUTPUT -j A',
      '-A POSTROUTING -j A',
    ],
    reason: /^nat B .*packets of POSTROUTING get to it, and REDIRECT takes those of PREROUTING, OUTPUT only/,
  },
  { table: 'nat', lines: ['-A PREROUTING -j SNAT --to-source 1.2.3.4'], reason: /SNAT takes those of INPUT, POSTROU/ },
  {
    table: 'nat',
    lines: ['-A POSTROUTING -j DNAT --to-destination 1.2.3.4'],
    reason: /DNAT takes those of PREROUTING/,
  },
  { table: 'nat', lines: ['-A PREROUTING -j DNAT --to-destination 1.2.3.4:5'], reason: /changing ports needs -p/ },
  { table: 'nat', lines: ['-A OUTPUT -j MASQUERADE'], reason: /MASQUERADE takes those of POSTROUTING only/ },
  { table: 'nat', lines: ['-A PREROUTING -j DROP'], reason: /DROP cannot be used in nat/ },
  {
    table: 'mangle',
    lines: ['-A OUTPUT -p tcp -j TPROXY --on-port 1 --on-ip 0.0.0.0 --tproxy-mark 0x1/0xff'],
    reason: /TPROXY takes those of PREROUTING only/,
  },
  {
    table: 'mangle',
    lines: ['-N A', '-A OUTPUT -j A', '-A A -p tcp -j TPROXY --on-port 1 --on-ip 0.0.0.0 --tproxy-mark 0x1/0xff'],
    reason: /^mangle A .*packets of OUTPUT get to it/,
  },
  {
    table: 'mangle',
    lines: ['-A PREROUTING -j TPROXY --on-port 1 --on-ip 0.0.0.0 --tproxy-mark 0x1/0xff'],
    reason: /TPROXY needs -p tcp or -p udp/,
  },
  { table: 'filter', lines: ['-N A', '-A A -g B'], reason: /chain B is not declared$/ },
  {
    table: 'filter',
    lines: ['-A INPUT -g DROP'],
    reason: /chain DROP is not declared \(for the target .* drop\(\)\)$/,
  },
  { table: 'filter', lines: ['-A INPUT -g nflog'], reason: /not declared \(.* rawTarget\('NFLOG …'\)\)$/ },
  { table: 'filter', lines: ['-A INPUT -g OUTPUT'], reason: /OUTPUT is built in: no rule can lead there/ },
  { table: 'filter', lines: ['-A A -j ACCEPT'], reason: /its chain is not declared/ },
  { table: 'filter', lines: ['-N A', '-N B', '-A INPUT -j A', '-A A -j B', '-A B -j A'], reason: /jumps: A -> B -> A/ },
  { table: 'filter', lines: ['-N A', '-A INPUT -j A', '-A A -j A'], reason: /a circle of jumps: A -> A/ },
  { table: 'filter', lines: ['-P A DROP'], reason: /only built-in chains have a policy/ },
  { table: 'filter', lines: [`-N ${long(29)}`], reason: /longer than 28 bytes/ },
  { table: 'filter', lines: ['-N LOG'], reason: /the name of a target/ },
  {
    table: 'filter',
    lines: ['-N input', '-A input -j DROP'],
    reason: /^filter chain "input": no rule leads there, so no packet gets there: is INPUT meant\?$/,
    taken: true,
  },
  {
    table: 'filter',
    lines: ['-N PREROUTING', '-A PREROUTING -j DROP'],
    reason: /^filter chain "PREROUTING": table filter has no built-in chain PREROUTING, only INPUT, FORWARD, OUTPUT,/,
    taken: true,
  },
];

/** Rules that look impossible and are not. */
export const POSSIBLE: readonly Pick<Impossible, 'family' | 'table' | 'lines'>[] = [
  { table: 'nat', lines: ['-A PREROUTING ! -p tcp -j REDIRECT --to-ports 80'] },
  { table: 'filter', lines: ['-A INPUT -p tcp -m tcp -m tcp --dport 3'] },
  { table: 'filter', lines: ['-A INPUT -p tcp -m tcp --dport 3 -m tcp -j ACCEPT'] },
  { table: 'filter', lines: ['-A INPUT -m mark --mark 0x1 -m mark ! --mark 0x2 -j ACCEPT'] },
  { table: 'filter', lines: ['-N LATER', '-A LATER -i eth0 -o eth0 -j DROP'] },
  { table: 'filter', lines: ['-A INPUT -p udp -m udp --dport 0:65535'] },
];

/** Rules that data can hold and lines cannot, or that no line would be read as. */
export const IMPOSSIBLE_DATA: readonly { readonly rule: Rule; readonly table: TableName; readonly reason: RegExp }[] = [
  {
    table: 'filter',
    rule: { chain: 'INPUT', matches: [{ match: 'source', address: 'fd00::1' }] },
    reason: /"fd00::1" is an address of ipv6: want one of ipv4/,
  },
  {
    table: 'nat',
    rule: { chain: 'PREROUTING', matches: [], target: { target: 'DNAT', address: 'fd00::1' } },
    reason: /is an address of ipv6/,
  },
  {
    table: 'mangle',
    rule: {
      chain: 'PREROUTING',
      matches: [{ match: 'protocol', protocol: 'tcp' }],
      target: { target: 'TPROXY', onPort: 1, onIp: '::', mark: { value: 1, mask: 1 } },
    },
    reason: /"::" is an address of ipv6/,
  },
  {
    table: 'filter',
    rule: { chain: 'INPUT', matches: [{ match: 'mark', mark: { value: 2 ** 32, mask: 1 } }] },
    reason: /mark 4294967296: want an unsigned 32-bit integer/,
  },
  { table: 'filter', rule: { chain: 'INPUT', matches: [], position: 0 }, reason: /position 0: want 1 or more/ },
  {
    table: 'filter',
    rule: { chain: 'INPUT', matches: [{ match: 'source', address: '10.0.0.0', prefixLength: Number.NaN }] },
    reason: /^filter INPUT "-A INPUT -s 10.0.0.0\/NaN": prefix length NaN/,
  },
  {
    table: 'filter',
    rule: {
      chain: 'INPUT',
      matches: [
        { match: 'protocol', protocol: 'tcp' },
        { match: 'tcp', destinationPort: { first: 70_000 } },
      ],
      target: { target: 'ACCEPT' },
    },
    reason:
      /^filter INPUT "-A INPUT -p tcp -m tcp … -j ACCEPT": destination port 70000: want an integer from 0 to 65535$/,
  },
  {
    table: 'filter',
    rule: {
      chain: 'INPUT',
      matches: [
        { match: 'protocol', protocol: 'udp' },
        { match: 'multiport', side: 'source', ports: [{ first: Number.NaN }] },
      ],
    },
    reason: /^filter INPUT "-A INPUT -p udp -m multiport …": source port NaN: want an integer/,
  },
  {
    table: 'nat',
    rule: {
      chain: 'PREROUTING',
      matches: [
        { match: 'in-interface', name: 'eth0' },
        { match: 'protocol', protocol: 'tcp' },
      ],
      target: { target: 'REDIRECT', toPorts: { first: 9, last: 8 } },
    },
    reason: /^nat PREROUTING "-A PREROUTING -i eth0 -p tcp -j REDIRECT …": ports 9 to 8: want the lower one first$/,
  },
  {
    table: 'filter',
    rule: { chain: 'INPUT', matches: [{ match: 'in-interface', name: 'a -j ACCEPT' }] },
    reason: /want one word/,
  },
  { table: 'filter', rule: { chain: 'INPUT', matches: [{ match: 'conntrack', states: [] }] }, reason: /needs a state/ },
  {
    table: 'filter',
    rule: { chain: 'INPUT', matches: [{ match: 'raw', text: `-m string --string ${long(10_300)} --algo bm` }] },
    reason: /the rule is longer than 10238 bytes/,
  },
  {
    table: 'filter',
    rule: {
      chain: 'INPUT',
      matches: [
        { match: 'tcp', destinationPort: { first: 1 }, implicit: true },
        { match: 'protocol', protocol: 'tcp' },
      ],
    },
    reason: /need -p tcp before them/,
  },
  {
    table: 'filter',
    rule: {
      chain: 'INPUT',
      matches: [
        { match: 'protocol', protocol: 'tcp' },
        { match: 'multiport', side: 'source', ports: [{ first: 1 }] },
        { match: 'tcp', destinationPort: { first: 1 }, implicit: true },
      ],
    },
    reason: /are taken for its own/,
  },
];
