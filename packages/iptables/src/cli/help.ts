const RULES = `usage: ambient-iptables rules [options]

Prints the traffic rules of an ambient mesh, as they are handed to iptables-restore --noflush
(then ip6tables-restore) or nft -f. Nothing is applied.

  --capture tproxy|redirect    inbound by TPROXY in mangle (default) or by REDIRECT in nat
  --format restore|nft|save    for iptables-restore (default), for nft -f, or what iptables-save
                               will show; with --ipv6 the IPv6 text comes directly behind
  --dns                        capture port 53 too
  --ipv6                       IPv6 as well; without it IPv4 only (the library builds both)
  --ingress                    the pod is an ingress gateway: leave what comes in alone
  --virtual-interface NAME     what comes in by it is outbound traffic of a virtual machine;
                               as often as needed
  --host                       the rules of the node instead of those of a pod; --capture and
                               --dns have no effect then
  --probe-source ADDRESS       what host probes come from; once for IPv4, once for IPv6 (which has
                               no effect without --ipv6)
  --kubelet-uid UID            with --host --format nft: nft cannot tell whether a packet has a
                               socket, so the rules take what this user sends for probes.
                               Default 0: the kubelet runs as root

The --host rules name sets of pod addresses, which must exist before; openProbeSets of the library
makes and fills them. By hand, for IPv4 (for IPv6: -v6, inet6, ipv6_addr):

  ipset create istio-inpod-probes-v4 hash:ip family inet comment
  nft 'add table inet istio-ambient-nat
       add set inet istio-ambient-nat istio-inpod-probes-v4 { type ipv4_addr ; }'

Exit codes: 0 printed, 2 wrong arguments.
`;

const DIFF = `usage: ambient-iptables diff A B [--ipv6]

Prints what has to change for the firewall saved in A to become the one saved in B (files of
iptables-save or ip6tables-save; - is standard input). Counters and spelling do not count.

  ~ a table   - what goes   + what comes   > a rule that moves   # its position

  --ipv6    both are of ip6tables-save; without, the saves tell it by themselves

Exit codes: 0 the same, 1 different, 2 an error.
`;

const EXPLAIN = `usage: ambient-iptables explain SAVE --packet 'PACKET' [--json] [--ipv6]

Walks one packet through a saved firewall (a file of iptables-save or ip6tables-save; - is
standard input) and prints the rules it meets and its end:

  + matched   - did not match   ? cannot be said   ~ in some of the cases still possible

What a save does not tell (members of sets, limits, routing, unknown matches) is not guessed: the
walk goes on both ways, and each possible end is told with the rules it depends on. A chain that is
called again and again with the same packet is walked five times. Two million looks at rules are
the limit of the walk (not decided), and 100,000 lines that of its steps (a note tells).

PACKET is a protocol and then, in any order:

  src ADDRESS[:PORT]   dst ADDRESS[:PORT]     IPv6 with a port in brackets: [fd00::1]:80
  src :PORT   dst :PORT   sport PORT   dport PORT     a port alone
  in IF                it comes in by this interface
  out IF               it leaves by this interface; together with in: it is forwarded
  local                without in: a program of this machine made it (as do out, uid and gid);
                       together with in: its destination is this machine
  host ADDRESS         another address of this machine; as often as needed
  mark N  connmark N   marks of the packet and of its connection, decimal or 0x…; default 0
  state STATE          NEW (default), ESTABLISHED, RELATED, INVALID or UNTRACKED; with ,SNAT or
                       ,DNAT behind it if the connection has been translated. The nat table is
                       asked for NEW only
  uid N  gid N         owner of the program that made it
  type N[/CODE]        of icmp and icmpv6; or a name, such as echo-request
  flags SYN,ACK        of tcp: those that are on, or NONE

What is not given is not known, and rules that ask for it stay undecided.

  --json    the explanation as data
  --ipv6    the save is of ip6tables-save; without, the save or the packet tells it

Exit codes: 0 one certain end, 3 not decided (more than one end, or the limit), 2 an error.
`;

/** Texts of `help`. They end in a line break. */
export const HELP = {
  all: `usage: ambient-iptables COMMAND [options]

  rules                             print the traffic rules of an ambient mesh
  diff A B                          what would change between two saved firewalls
  explain SAVE --packet 'PACKET'    walk one packet through a saved firewall
  help COMMAND                      more about one of them
  --version                         print the version

ambient-iptables is the command of the package @ambientmesh/iptables; without an installation,
npx @ambientmesh/iptables COMMAND runs it.

Nothing here needs root, and nothing is applied. Exit code 2 means an error.
`,
  rules: RULES,
  diff: DIFF,
  explain: EXPLAIN,
} as const;

/** Whether there is help on it. */
export function isTopic(name: string): name is keyof typeof HELP {
  return Object.hasOwn(HELP, name);
}
