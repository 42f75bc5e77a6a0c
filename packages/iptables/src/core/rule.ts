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

/** Ports of TCP or UDP; needs a protocol match of the same protocol before it. */
export interface TransportMatch {
  readonly match: 'tcp' | 'udp';
  readonly sourcePort?: PortMatch;
  readonly destinationPort?: PortMatch;
  /** Written without `-m tcp`; iptables loads the match from `-p tcp` and lists it with `-m tcp`. Spelling only. */
  readonly implicit?: true;
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
  readonly negated?: true;
}

/** `-m comment`: matches always. */
export interface CommentMatch {
  readonly match: 'comment';
  readonly text: string;
}

/** Escape hatch: rule text kept word for word, for example `-m owner --uid-owner 0`. One line; quoting is yours. */
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
  | MarkMatch
  | ConntrackMatch
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

/** Escape hatch: the target and its options word for word, for example `LOG --log-prefix "x "`. Without `-j`. */
export interface RawTarget {
  readonly target: 'raw';
  readonly text: string;
}

/** nat only: to a port of this machine. */
export interface RedirectTarget {
  readonly target: 'REDIRECT';
  readonly toPorts: PortRange;
  /** Written `--to-port`, as the reference spells some rules; listed as `--to-ports`. Spelling only. */
  readonly abbreviated?: true;
}

/** mangle only: hands the packet to a local transparent socket, leaving its addresses alone. */
export interface TproxyTarget {
  readonly target: 'TPROXY';
  readonly onPort: number;
  /** `0.0.0.0` or `::`: the address the packet came in on. */
  readonly onIp: string;
  readonly mark: Mark;
}

/** raw only: connection tracking in a zone of its own. */
export interface ConntrackTarget {
  readonly target: 'CT';
  readonly zone: number;
}

/** Targets that every table has. */
export type CommonTarget = VerdictTarget | ChainTarget | SetConnmarkTarget | CopyConnmarkTarget | RawTarget;

interface TableTargets {
  readonly filter: never;
  readonly mangle: TproxyTarget;
  readonly nat: RedirectTarget;
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
