import type { Family, TcpFlag } from '../rule.ts';

/** All of {@link PacketState}. */
export const PACKET_STATES = ['NEW', 'ESTABLISHED', 'RELATED', 'INVALID', 'UNTRACKED'] as const;

/** What connection tracking says of a packet, before any translation. */
export type PacketState = (typeof PACKET_STATES)[number];

/** One side of a packet; what is absent is not known. */
export interface Endpoint {
  readonly address?: string;
  /** 0 to 65535. */
  readonly port?: number;
}

/**
 * A packet as a person describes it. What is absent is not known, and a rule that asks for it stays undecided; only
 * marks and the connection's state have defaults, for nearly every packet begins with them.
 */
export interface Packet {
  /** Decided by the addresses; absent without any. */
  readonly family?: Family;
  /** Lower-case name, such as `tcp`, or the number in decimal. */
  readonly protocol: string;
  readonly source: Endpoint;
  readonly destination: Endpoint;
  /** `incoming`: it begins in PREROUTING; `local`: made by a program of this machine, it begins in OUTPUT. */
  readonly origin: 'incoming' | 'local';
  /** The interface it arrives by. */
  readonly inInterface?: string;
  /** The interface it leaves by; of an incoming packet this also says that it is forwarded. */
  readonly outInterface?: string;
  /** The destination, as described, is an address of this machine. */
  readonly toThisMachine?: true;
  /** Further addresses of this machine: they decide routing, `addrtype`, and where REDIRECT leads. */
  readonly hostAddresses: readonly string[];
  /** Unsigned, 32 bits; default 0. */
  readonly mark: number;
  /** Unsigned, 32 bits; default 0. */
  readonly connectionMark: number;
  /** Default `NEW`. */
  readonly state: PacketState;
  /** Its connection had its source (`SNAT`) or destination (`DNAT`) translated by an earlier packet. */
  readonly translated: readonly ('SNAT' | 'DNAT')[];
  /** Owner of the socket of a local packet. */
  readonly userId?: number;
  readonly groupId?: number;
  readonly icmp?: { readonly type: number; readonly code?: number };
  /** Of a TCP packet: the flags that are on. */
  readonly tcpFlags?: readonly TcpFlag[];
}
