import type { Family, TableName } from '../core/rule.ts';

/** A rule as people write it, and as both variants of the tools list it. */
export interface Spelling {
  readonly family?: Family;
  /** filter where absent. */
  readonly table?: TableName;
  readonly written: string;
  /** Several where the tools make several rules of it. */
  readonly listed: string | readonly string[];
}

const SYN = '--tcp-flags FIN,SYN,RST,ACK SYN';
const RECENT = '--name SSH --mask 255.255.255.255 --rsource';
const RECENT_V6 = '--name SSH --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rsource';

const rows = (texts: readonly (readonly [string, string])[], table: TableName = 'filter'): readonly Spelling[] =>
  texts.map(([written, listed]) => ({ table, written, listed }));

/** Rows without a chain of their own are for any chain; the tests put them into one that takes them. */
export const SPELLINGS: readonly Spelling[] = [
  ...rows([
    ['-A INPUT -p tcp --syn -j ACCEPT', `-A INPUT -p tcp -m tcp ${SYN} -j ACCEPT`],
    ['-A INPUT -p tcp ! --syn -j DROP', `-A INPUT -p tcp -m tcp ! ${SYN} -j DROP`],
    ['-A INPUT -p tcp -m conntrack --ctstate NEW --syn', `-A INPUT -p tcp -m conntrack --ctstate NEW -m tcp ${SYN}`],
    ['-A INPUT -p tcp --tcp-flags all syn', '-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG SYN'],
    ['-A INPUT -p tcp --tcp-flags SYN,FIN SYN', '-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN SYN'],
    ['-A INPUT -p tcp --tcp-option 5 --dport 8', '-A INPUT -p tcp -m tcp --dport 8 --tcp-option 5'],
    ['-A INPUT -p tcp --destination-port 22', '-A INPUT -p tcp -m tcp --dport 22'],
    ['-A INPUT -p tcp --dport 22 --sport 1024:', '-A INPUT -p tcp -m tcp --sport 1024:65535 --dport 22'],
    ['-A INPUT -p udp --source-port :1023', '-A INPUT -p udp -m udp --sport 0:1023'],
    ['-A INPUT -p tcp --dport 5:5', '-A INPUT -p tcp -m tcp --dport 5'],
    ['-A INPUT -p tcp --dport 0x16', '-A INPUT -p tcp -m tcp --dport 22'],
    ['-A INPUT -p tcp --dport 022', '-A INPUT -p tcp -m tcp --dport 18'],
    ['-A INPUT -p tcp --dport=22', '-A INPUT -p tcp -m tcp --dport 22'],
    ['-A INPUT -p tcp --dpo 22', '-A INPUT -p tcp -m tcp --dport 22'],
    ['-A INPUT -p sctp --dport 80', '-A INPUT -p sctp -m sctp --dport 80'],
    ['-A INPUT -p tcp -m multiport --destination-ports 80,443', '-A INPUT -p tcp -m multiport --dports 80,443'],
    ['-A INPUT -p tcp -m multiport --dport 80,443', '-A INPUT -p tcp -m multiport --dports 80,443'],
    ['-A INPUT -p tcp -m multiport --port 80', '-A INPUT -p tcp -m multiport --ports 80'],
    ['-A INPUT -p tcp -m mark --mark 1 --sport 6', '-A INPUT -p tcp -m mark --mark 0x1 -m tcp --sport 6'],
    [
      '-A INPUT -p tcp -m state --state NEW --dport 5 -m comment --comment x --sport 6 -j LOG',
      '-A INPUT -p tcp -m state --state NEW -m tcp --sport 6 --dport 5 -m comment --comment x -j LOG',
    ],
    [
      '-A INPUT -p tcp -m tcp -m multiport --dports 5 --sport 3',
      '-A INPUT -p tcp -m tcp --sport 3 -m multiport --dports 5',
    ],
    ['-A INPUT -m ttl --ttl-lt 5 -p tcp --dport 5', '-A INPUT -p tcp -m ttl --ttl-lt 5 -m tcp --dport 5'],
    ['-A INPUT -m mark --mark 1', '-A INPUT -m mark --mark 0x1'],
    ['-A INPUT -m mark ! --mark 010', '-A INPUT -m mark ! --mark 0x8'],
    ['-A INPUT -m connmark --mark 5/0xF', '-A INPUT -m connmark --mark 0x5/0xf'],
    ['-A INPUT -m limit --limit 3/second', '-A INPUT -m limit --limit 3/sec'],
    ['-A INPUT -m limit --limit 3/s', '-A INPUT -m limit --limit 3/sec'],
    ['-A INPUT -m limit --limit 3', '-A INPUT -m limit --limit 3/sec'],
    ['-A INPUT -m limit --limit 3/minute', '-A INPUT -m limit --limit 3/min'],
    ['-A INPUT -m limit --limit 3/m', '-A INPUT -m limit --limit 3/min'],
    ['-A INPUT -m limit --limit 3/h --limit-burst 5', '-A INPUT -m limit --limit 3/hour'],
    ['-A INPUT -m limit --limit-burst 7 --limit 3/D', '-A INPUT -m limit --limit 3/day --limit-burst 7'],
    ['-A INPUT -m limit', '-A INPUT -m limit --limit 3/hour'],
    ['-A INPUT -p icmp --icmp-type echo-request', '-A INPUT -p icmp -m icmp --icmp-type 8'],
    ['-A INPUT -p icmp ! --icmp-type ping', '-A INPUT -p icmp -m icmp ! --icmp-type 8'],
    ['-A INPUT -p icmp --icmp-type host-unreach', '-A INPUT -p icmp -m icmp --icmp-type 3/1'],
    ['-A INPUT -p icmp --icmp-type TOS-host-redirect', '-A INPUT -p icmp -m icmp --icmp-type 5/3'],
    ['-A INPUT -p icmp --icmp-type 3/4', '-A INPUT -p icmp -m icmp --icmp-type 3/4'],
    ['-A INPUT -p icmp --icmp-type any', '-A INPUT -p icmp -m icmp --icmp-type any'],
    [
      '-A INPUT -m statistic --mode random --probability 0.5',
      '-A INPUT -m statistic --mode random --probability 0.50000000000',
    ],
    [
      '-A INPUT -m statistic --probability .123456789 --mode random',
      '-A INPUT -m statistic --mode random --probability 0.12345678918',
    ],
    ['-A INPUT -m statistic --mode nth --packet 1 --every 3', '-A INPUT -m statistic --mode nth --every 3 --packet 1'],
    ['-A INPUT -m state --state established,new', '-A INPUT -m state --state NEW,ESTABLISHED'],
    ['-A INPUT -m conntrack --ctstate new,est', '-A INPUT -m conntrack --ctstate NEW,ESTABLISHED'],
    ['-A INPUT -m conntrack --ctstate=NEW', '-A INPUT -m conntrack --ctstate NEW'],
    ['-A INPUT -m addrtype --dst-type local', '-A INPUT -m addrtype --dst-type LOCAL'],
    [
      '-A INPUT -m addrtype --dst-type LOCAL --src-type UNICAST',
      '-A INPUT -m addrtype --src-type UNICAST --dst-type LOCAL',
    ],
    ['-A OUTPUT -m owner --gid-owner 5 --uid-owner 0', '-A OUTPUT -m owner --uid-owner 0 --gid-owner 5'],
    [
      '-A INPUT -m addrtype --src-type broadcast,local --limit-iface-in',
      '-A INPUT -m addrtype --src-type LOCAL,BROADCAST --limit-iface-in',
    ],
    ['-A OUTPUT -m owner --socket', '-A OUTPUT -m owner --socket-exists'],
    ['-A INPUT -m recent --set --name SSH', `-A INPUT -m recent --set ${RECENT}`],
    [
      '-A INPUT -m recent --hitcount 4 --update --seconds 60 --name SSH -j DROP',
      `-A INPUT -m recent --update --seconds 60 --hitcount 4 ${RECENT} -j DROP`,
    ],
    [
      '-A INPUT -m recent --rdest ! --rcheck',
      '-A INPUT -m recent ! --rcheck --name DEFAULT --mask 255.255.255.255 --rdest',
    ],
    [`-A INPUT -m comment --comment "it's"`, String.raw`-A INPUT -m comment --comment "it\'s"`],
    ['-A INPUT -m comment --comment "COMMIT"', '-A INPUT -m comment --comment COMMIT'],
    ['-A INPUT -s 10.0.0.0/255.0.0.0', '-A INPUT -s 10.0.0.0/8'],
    ['-A INPUT -s 10.1/16', '-A INPUT -s 10.1.0.0/16'],
    ['-A INPUT -s 010.0.0.1', '-A INPUT -s 8.0.0.1/32'],
    ['-A INPUT ! --source 1.1.1.1 --dst 2.2.2.2', '-A INPUT ! -s 1.1.1.1/32 -d 2.2.2.2/32'],
    [
      '-A INPUT --src 1.1.1.1 --destination 2.2.2.2 --in-interface eth0 --protocol TCP --match mark --mark 1 --jump ACCEPT',
      '-A INPUT -s 1.1.1.1/32 -d 2.2.2.2/32 -i eth0 -p tcp -m mark --mark 0x1 -j ACCEPT',
    ],
    ['-A OUTPUT --out-i eth0 --proto udp', '-A OUTPUT -o eth0 -p udp'],
    ['-A INPUT --fragment -p tcp', '-A INPUT -p tcp -f'],
    ['-A INPUT -4 -j ACCEPT', '-A INPUT -j ACCEPT'],
    ['-A INPUT -j ACCEPT -p tcp --dport 22', '-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT'],
    [
      '-A INPUT -j LOG --log-prefix x -p tcp -m mark --mark 1',
      '-A INPUT -p tcp -m mark --mark 0x1 -j LOG --log-prefix x',
    ],
    ['-A INPUT --goto OWN -p tcp', '-A INPUT -p tcp -g OWN'],
    ['-A INPUT -j LOG --log-level warning', '-A INPUT -j LOG'],
    ['-A INPUT -j LOG --log-level panic', '-A INPUT -j LOG --log-level 0'],
    [
      '-A INPUT -j LOG --log-uid --log-level debug --log-prefix "a b"',
      '-A INPUT -j LOG --log-prefix "a b" --log-level 7 --log-uid',
    ],
    ['-A FORWARD -p tcp --syn -j TCPMSS --clamp', `-A FORWARD -p tcp -m tcp ${SYN} -j TCPMSS --clamp-mss-to-pmtu`],
  ]),
  ...rows(
    [
      ['-A PREROUTING -j MARK --set-mark 1', '-A PREROUTING -j MARK --set-xmark 0x1/0xffffffff'],
      ['-A PREROUTING -j MARK --set-mark 0x10/0x1', '-A PREROUTING -j MARK --set-xmark 0x10/0x11'],
      ['-A PREROUTING -j MARK --set-xmark 5/0xF', '-A PREROUTING -j MARK --set-xmark 0x5/0xf'],
      ['-A PREROUTING -j MARK --and-mark 0xf', '-A PREROUTING -j MARK --set-xmark 0x0/0xfffffff0'],
      ['-A PREROUTING -j MARK --or-mark 8', '-A PREROUTING -j MARK --set-xmark 0x8/0x8'],
      ['-A PREROUTING -j CONNMARK --xor-mark 8', '-A PREROUTING -j CONNMARK --set-xmark 0x8/0x0'],
      [
        '-A PREROUTING -j CONNMARK --save-mark',
        '-A PREROUTING -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff',
      ],
      [
        '-A PREROUTING -j CONNMARK --restore-mark --mask 255',
        '-A PREROUTING -j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff',
      ],
      [
        '-A PREROUTING -j CONNMARK --save --ctmask 15',
        '-A PREROUTING -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xf',
      ],
      [
        '-A PREROUTING -p tcp -j TPROXY --on-port 15',
        '-A PREROUTING -p tcp -j TPROXY --on-port 15 --on-ip 0.0.0.0 --tproxy-mark 0x0/0x0',
      ],
      [
        '-A PREROUTING -p tcp -j TPROXY --tproxy-mark 1 --on-port 15',
        '-A PREROUTING -p tcp -j TPROXY --on-port 15 --on-ip 0.0.0.0 --tproxy-mark 0x1/0xffffffff',
      ],
    ],
    'mangle',
  ),
  ...rows(
    [
      ['-A PREROUTING -p tcp -j REDIRECT --to 80', '-A PREROUTING -p tcp -j REDIRECT --to-ports 80'],
      [
        '-A PREROUTING -p tcp -j REDIRECT --random --to-ports 80',
        '-A PREROUTING -p tcp -j REDIRECT --to-ports 80 --random',
      ],
      ['-A PREROUTING -j DNAT --to 1.1.1.1-1.1.1.1', '-A PREROUTING -j DNAT --to-destination 1.1.1.1'],
      ['-A PREROUTING -j DNAT --to 1.1.1.1-1.1.1.3', '-A PREROUTING -j DNAT --to-destination 1.1.1.1-1.1.1.3'],
      ['-A PREROUTING -p tcp -j DNAT --to 1.1.1.1:80-80', '-A PREROUTING -p tcp -j DNAT --to-destination 1.1.1.1:80'],
      [
        '-A POSTROUTING -p tcp -j MASQUERADE --random --to-port 5-5',
        '-A POSTROUTING -p tcp -j MASQUERADE --to-ports 5 --random',
      ],
      ['-A POSTROUTING -j SNAT --persistent --to 1.1.1.1', '-A POSTROUTING -j SNAT --to-source 1.1.1.1 --persistent'],
    ],
    'nat',
  ),
  { table: 'raw', written: '-A PREROUTING -j CT --zone 0x5', listed: '-A PREROUTING -j CT --zone 5' },
  {
    written: '-A INPUT -d 1.1.1.1,2.2.2.2 -s 10.0.0.1,10.0.0.0/255.0.0.0 -p tcp --dport 5',
    listed: ['10.0.0.1/32', '10.0.0.0/8'].flatMap((source) =>
      ['1.1.1.1/32', '2.2.2.2/32'].map((target) => `-A INPUT -s ${source} -d ${target} -p tcp -m tcp --dport 5`),
    ),
  },
  { written: '-I INPUT -s 10.0.0.1,10.0.0.2', listed: ['-A INPUT -s 10.0.0.2/32', '-A INPUT -s 10.0.0.1/32'] },
  ...(
    [
      ['-A INPUT -s fd00::1,fd00::2', ['-A INPUT -s fd00::1/128', '-A INPUT -s fd00::2/128']],
      ['-A INPUT -s fd00::/ffff:ffff::', '-A INPUT -s fd00::/32'],
      ['-A INPUT -p icmpv6 --icmpv6-type echo-request', '-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 128'],
      ['-A INPUT -p icmpv6 -m icmpv6 --icmpv6-type router-adv', '-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 134'],
      ['-A INPUT -m recent --set --name SSH', `-A INPUT -m recent --set ${RECENT_V6}`],
    ] as const
  ).map(([written, listed]) => ({ family: 'ipv6' as const, written, listed })),
];
