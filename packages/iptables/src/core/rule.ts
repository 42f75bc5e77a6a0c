import type { ConnectionState } from './connection-state.ts';
import type { Mark } from './mark.ts';

/** Address family of a rule set: `ipv4` is served by `iptables`, `ipv6` by `ip6tables`. */
export type Family = 'ipv4' | 'ipv6';

/** Tables that both families have. */
export type TableName = 'filter' | 'mangle' | 'nat' | 'raw' | 'security';

/** A port or an inclusive range of ports, 0 to 65535. */
export interface PortRange {
  readonly first: number;
  /** Absent for a single port. */
  readonly last?: number;
}

/** Ports of a match; `negated` means "any other port". */
export interface PortMatch extends PortRange {
  readonly negated?: true;
}

/** `-s` / `-d`: an address, optionally with its prefix length; a single host when that is absent. */
export interface AddressMatch {
  readonly match: 'source' | 'destination';
  readonly address: string;
  readonly prefixLength?: number;
  readonly negated?: true;
}

/** `-i` / `-o`: the interface by name; a trailing `+` matches any name that begins so. */
export interface InterfaceMatch {
  readonly match: 'in-interface' | 'out-interface';
  readonly name: string;
  readonly negated?: true;
}

/** `-p`: protocol by name or number. */
export interface ProtocolMatch {
  readonly match: 'protocol';
  readonly protocol: string;
  readonly negated?: true;
}

/** Flags of a TCP header, in the order iptables lists them. */
export type TcpFlag = 'FIN' | 'SYN' | 'RST' | 'PSH' | 'ACK' | 'URG';

/** `--tcp-flags`: of `examined`, exactly those in `set` are on. `--syn` is SYN of FIN, SYN, RST, ACK. */
export interface TcpFlagsMatch {
  readonly examined: readonly TcpFlag[];
  readonly set: readonly TcpFlag[];
  readonly negated?: true;
}

/** Ports of TCP or UDP; needs a protocol match of the same protocol before it. */
export interface TransportMatch {
  readonly match: 'tcp' | 'udp';
  readonly sourcePort?: PortMatch;
  readonly destinationPort?: PortMatch;
  /** TCP only. */
  readonly flags?: TcpFlagsMatch;
  /** Written without `-m tcp`; iptables loads the match from `-p tcp` and lists it with `-m tcp`. Spelling only. */
  readonly implicit?: true;
}

/** `-m multiport`: one of up to 15 ports, a range counting twice; needs a protocol match with ports before it. */
export interface MultiportMatch {
  readonly match: 'multiport';
  readonly side: 'source' | 'destination' | 'either';
  readonly ports: readonly PortRange[];
  readonly negated?: true;
}

/** `-m icmp --icmp-type` (IPv4), `-m icmp6 --icmpv6-type` (IPv6); needs the protocol match before it. */
export interface IcmpMatch {
  readonly match: 'icmp' | 'icmp6';
  /** 0 to 255. */
  readonly type: number;
  /** 0 to 255; any code where absent. */
  readonly code?: number;
  readonly negated?: true;
}

/** `-m mark` / `-m connmark`: the packet's or the connection's mark equals `mark.value` under `mark.mask`. */
export interface MarkMatch {
  readonly match: 'mark' | 'connmark';
  readonly mark: Mark;
  readonly negated?: true;
}

/** `-m conntrack --ctstate`: the connection is in one of `states`. */
export interface ConntrackMatch {
  readonly match: 'conntrack';
  readonly states: readonly ConnectionState[];
  /** Written, and listed, as `-m state --state`, which means the same. Not SNAT and DNAT then. */
  readonly alias?: 'state';
  readonly negated?: true;
}

/** `-m comment`: matches always. */
export interface CommentMatch {
  readonly match: 'comment';
  readonly text: string;
}

/** `-m owner`: who made the packet's socket; only in chains that local packets pass (OUTPUT, POSTROUTING). */
export type OwnerMatch =
  | {
      readonly match: 'owner';
      readonly by: 'user' | 'group';
      readonly first: number;
      /** Absent for a single id. */
      readonly last?: number;
      readonly negated?: true;
    }
  | { readonly match: 'owner'; readonly by: 'socket-exists'; readonly negated?: true };

/** `-m set --match-set`: addresses (and ports) of the packet are in a set made with `ipset`. */
export interface SetMatch {
  readonly match: 'set';
  readonly set: string;
  /** Which side each dimension of the set is looked up with. */
  readonly directions: readonly ('src' | 'dst')[];
  readonly negated?: true;
}

/** `-m addrtype`: what the routing tables say of the address, for example `LOCAL`. */
export interface AddressTypeMatch {
  readonly match: 'addrtype';
  readonly side: 'source' | 'destination';
  readonly types: readonly AddressType[];
  readonly negated?: true;
}

/** Kinds of addresses that `-m addrtype` knows. */
export type AddressType =
  | 'UNSPEC'
  | 'UNICAST'
  | 'LOCAL'
  | 'BROADCAST'
  | 'ANYCAST'
  | 'MULTICAST'
  | 'BLACKHOLE'
  | 'UNREACHABLE'
  | 'PROHIBIT';

/** `-m limit`: matches while packets come no faster, for example 3 a minute after a burst of 5. */
export interface LimitMatch {
  readonly match: 'limit';
  readonly packets: number;
  readonly per: 'sec' | 'min' | 'hour' | 'day';
  /** 5 where absent. */
  readonly burst?: number;
}

/** `-m statistic`: a share of all packets, by chance or by turns. */
export type StatisticMatch =
  | {
      readonly match: 'statistic';
      readonly mode: 'random';
      /** 0 to 1; the kernel keeps 31 bits of it, iptables prints 11 digits. */
      readonly probability: number;
      readonly negated?: true;
    }
  | {
      readonly match: 'statistic';
      readonly mode: 'nth';
      readonly every: number;
      /** Which of each `every` packets, from 0. */
      readonly packet: number;
      readonly negated?: true;
    };

/** Escape hatch: rule text kept word for word, for example `-m ttl --ttl-lt 2`. One line; quoting is yours. */
export interface RawMatch {
  readonly match: 'raw';
  readonly text: string;
}

/** One condition of a rule. All of a rule's matches must hold; `negated` turns one around. */
export type Match =
  | AddressMatch
  | InterfaceMatch
  | ProtocolMatch
  | TransportMatch
  | MultiportMatch
  | IcmpMatch
  | MarkMatch
  | ConntrackMatch
  | OwnerMatch
  | SetMatch
  | AddressTypeMatch
  | LimitMatch
  | StatisticMatch
  | CommentMatch
  | RawMatch;

/** Ends or leaves the chain. */
export interface VerdictTarget {
  readonly target: 'ACCEPT' | 'DROP' | 'RETURN';
}

/** `-j CHAIN` comes back to the next rule; `-g CHAIN` to the caller of this chain. */
export interface ChainTarget {
  readonly target: 'jump' | 'goto';
  readonly chain: string;
}

/** `CONNMARK --set-xmark`: connection mark = (connection mark and not mask) xor value. */
export interface SetConnmarkTarget {
  readonly target: 'CONNMARK';
  readonly operation: 'set-xmark';
  readonly mark: Mark;
}

/** `CONNMARK` between packet and connection: bits `nfmask` of the packet's mark, bits `ctmask` of the connection's. */
export interface CopyConnmarkTarget {
  readonly target: 'CONNMARK';
  readonly operation: 'restore-mark' | 'save-mark';
  readonly nfmask: number;
  readonly ctmask: number;
}

/** `MARK --set-xmark`: the packet's mark = (its mark and not mask) xor value. */
export interface SetMarkTarget {
  readonly target: 'MARK';
  readonly mark: Mark;
}

/** Writes the packet's header to the kernel log and goes on with the next rule. */
export interface LogTarget {
  readonly target: 'LOG';
  /** At most 29 bytes. */
  readonly prefix?: string;
  /** syslog level, 0 (emergency) to 7 (debug); 4 (warning) where absent. */
  readonly level?: number;
}

/** Sets the maximum segment size of a SYN, to a number or to what the path allows. */
export interface SegmentSizeTarget {
  readonly target: 'TCPMSS';
  readonly size: number | 'path';
}

/** Escape hatch: the target and its options word for word, for example `NFLOG --nflog-group 5`. Without `-j`. */
export interface RawTarget {
  readonly target: 'raw';
  readonly text: string;
}

/** filter only: drops the packet and tells its sender. */
export interface RejectTarget {
  readonly target: 'REJECT';
  /** Such as `tcp-reset`; a port-unreachable message of the family where absent. */
  readonly with?: string;
}

/** nat only: to a port of this machine. */
export interface RedirectTarget {
  readonly target: 'REDIRECT';
  readonly toPorts: PortRange;
  /** Written `--to-port`, as the reference spells some rules; listed as `--to-ports`. Spelling only. */
  readonly abbreviated?: true;
}

/** nat only: another destination. */
export interface DestinationNatTarget {
  readonly target: 'DNAT';
  readonly address: string;
  /** Kept as it is where absent. */
  readonly ports?: PortRange;
}

/** nat only: another source. */
export interface SourceNatTarget {
  readonly target: 'SNAT';
  readonly address: string;
  readonly ports?: PortRange;
}

/** nat only: the address of the interface the packet leaves by as its source. */
export interface MasqueradeTarget {
  readonly target: 'MASQUERADE';
  readonly ports?: PortRange;
  /** How source ports are chosen: by hash (`ports`) or by chance (`fully`). */
  readonly random?: 'ports' | 'fully';
}

/** mangle only: hands the packet to a local transparent socket, leaving its addresses alone. */
export interface TproxyTarget {
  readonly target: 'TPROXY';
  readonly onPort: number;
  /** `0.0.0.0` or `::`: the address the packet came in on. */
  readonly onIp: string;
  readonly mark: Mark;
}

/** raw only: connection tracking in a zone of its own, or none. */
export interface ConntrackTarget {
  readonly target: 'CT';
  readonly zone: number | 'none';
}

/** Targets that every table has. */
export type CommonTarget =
  | VerdictTarget
  | ChainTarget
  | SetMarkTarget
  | SetConnmarkTarget
  | CopyConnmarkTarget
  | LogTarget
  | SegmentSizeTarget
  | RawTarget;

interface TableTargets {
  readonly filter: RejectTarget;
  readonly mangle: TproxyTarget;
  readonly nat: RedirectTarget | DestinationNatTarget | SourceNatTarget | MasqueradeTarget;
  readonly raw: ConntrackTarget;
  readonly security: never;
}

/** What happens to a packet that matched, limited to what the table allows: `REDIRECT` in mangle does not compile. */
export type Target<T extends TableName = TableName> = CommonTarget | TableTargets[T];

/** Packets and bytes, as `iptables-save` prints them in brackets. */
export interface Counters {
  readonly packets: number;
  readonly bytes: number;
}

/** One rule of a chain of table `T`. */
export interface Rule<T extends TableName = TableName> {
  readonly chain: string;
  /** In the order written; iptables lists addresses, interfaces and protocol first. */
  readonly matches: readonly Match[];
  /** Absent: the rule only counts. */
  readonly target?: Target<T>;
  /** Present: inserted at this position (from 1) instead of appended. Never present in a listing. */
  readonly position?: number;
  readonly counters?: Counters;
}

/** Declaration of a chain. */
export interface Chain {
  readonly name: string;
  /** Only built-in chains have one. */
  readonly policy?: 'ACCEPT' | 'DROP';
  readonly counters?: Counters;
}

/** Chains and rules of one table; rules of different chains may alternate, their order within a chain counts. */
export interface TableOf<T extends TableName> {
  readonly name: T;
  readonly chains: readonly Chain[];
  readonly rules: readonly Rule<T>[];
}

/** A table of any name, discriminated by `name`. */
export type Table = { [T in TableName]: TableOf<T> }[TableName];

/** All tables of one address family, either as wanted or as listed by the kernel. */
export interface RuleSet {
  readonly family: Family;
  readonly tables: readonly Table[];
}
