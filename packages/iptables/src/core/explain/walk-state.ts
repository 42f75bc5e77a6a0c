import type { ConnectionState } from '../connection-state.ts';
import type { Family, TcpFlag } from '../rule.ts';
import { type IpAddress, isLoopback, parseIpAddress, sharesPrefix } from './ip-address.ts';
import type { Endpoint, Packet, PacketState } from './packet.ts';

/** One side of the packet as later rules see it. */
export interface Side {
  /** Absent: not known, see `unknown`. */
  readonly address?: IpAddress;
  /** Absent: not known, or none. */
  readonly port?: number;
  /** Why the address is not known. */
  readonly unknown?: string;
}

/** What never changes on the way. */
export interface WalkFacts {
  readonly family: Family;
  readonly protocol: string;
  readonly hosts: readonly IpAddress[];
  readonly userId?: number;
  readonly groupId?: number;
  readonly icmp?: { readonly type: number; readonly code?: number };
  readonly tcpFlags?: readonly TcpFlag[];
  readonly state: PacketState;
}

/** The packet at one place of its way. */
export interface WalkState {
  readonly facts: WalkFacts;
  readonly source: Side;
  readonly destination: Side;
  /** `undefined`: not known; empty: none, for the packet has not come in by one (or is past that). */
  readonly inInterface: string | undefined;
  readonly outInterface: string | undefined;
  /** The route was chosen anew in OUTPUT; its rules still see the interface of before, those of POSTROUTING do not. */
  readonly rerouted: boolean;
  /** `undefined`: not known any more. */
  readonly mark: number | undefined;
  readonly connectionMark: number | undefined;
  /** Connection tracking has seen it; false in raw, before it has. */
  readonly tracked: boolean;
  /** `CT --zone` gave it a template, which looks like a new connection until it is tracked. */
  readonly template: boolean;
  /** `CT --notrack`. */
  readonly untracked: boolean;
  readonly zone: number;
  /** `undefined`: not known. */
  readonly sourceTranslated: boolean | undefined;
  readonly destinationTranslated: boolean | undefined;
  /** The nat table has been asked, as it is once for each side. */
  readonly destinationAsked: boolean;
  readonly sourceAsked: boolean;
  /** Whether the routing decision is known to be local delivery (or not). */
  readonly forThisMachine: boolean | undefined;
  /** A socket of this machine made it (and it has not come back over lo). */
  readonly hasSocket: boolean;
  /** Handed to a transparent socket. */
  readonly transparent?: { readonly address: string; readonly port: number };
  /** Conditions that an undecided rule has settled on this branch, by their text. */
  readonly settled: ReadonlyMap<string, boolean>;
}

/** The packet where its way begins. */
export function beginWalk(packet: Packet, family: Family): WalkState {
  const local = packet.origin === 'local';
  const hosts = packet.hostAddresses.map(parseIpAddress).filter((address) => address !== undefined);
  const destination = sideOf(packet.destination);
  if (packet.toThisMachine && destination.address !== undefined) hosts.push(destination.address);
  const { userId, groupId, icmp, tcpFlags } = packet;
  const fresh = packet.state === 'NEW';
  const state: WalkState = {
    facts: {
      family,
      protocol: packet.protocol,
      hosts,
      state: packet.state,
      ...(userId === undefined ? {} : { userId }),
      ...(groupId === undefined ? {} : { groupId }),
      ...(icmp === undefined ? {} : { icmp }),
      ...(tcpFlags === undefined ? {} : { tcpFlags }),
    },
    source: sideOf(packet.source),
    destination,
    inInterface: local ? '' : packet.inInterface,
    outInterface: local ? packet.outInterface : '',
    rerouted: false,
    mark: packet.mark,
    connectionMark: packet.connectionMark,
    tracked: false,
    template: false,
    untracked: false,
    zone: 0,
    sourceTranslated: packet.translated.includes('SNAT') || (fresh ? false : undefined),
    destinationTranslated: packet.translated.includes('DNAT') || (fresh ? false : undefined),
    destinationAsked: false,
    sourceAsked: false,
    forThisMachine: packet.toThisMachine,
    hasSocket: local,
    settled: new Map(),
  };
  return local && packet.outInterface === undefined ? { ...state, outInterface: routeOut(state) } : state;
}

/** Whether the address is known to be one of this machine; undefined if that cannot be said. */
export function isOwnAddress(state: WalkState, address: IpAddress | undefined): true | undefined {
  if (address === undefined) return undefined;
  const own = isLoopback(address) || state.facts.hosts.some((host) => sharesPrefix(host, address));
  return own || undefined;
}

/** The interface a local packet leaves by, where its destination tells: lo for this machine's own addresses. */
export function routeOut(state: WalkState): string | undefined {
  return isOwnAddress(state, state.destination.address) ? 'lo' : undefined;
}

/** What connection tracking says here; before it has seen the packet (raw) iptables calls it INVALID. */
export function currentState(state: WalkState): PacketState {
  if (state.untracked) return 'UNTRACKED';
  if (hasTemplate(state)) return 'NEW';
  return state.tracked ? state.facts.state : 'INVALID';
}

/** In raw, behind `CT --zone`. */
export function hasTemplate(state: WalkState): boolean {
  return state.template && !state.tracked;
}

/** Whether there is a connection to have a mark: not before tracking, and not for INVALID and UNTRACKED. */
export function hasConnection(state: WalkState): boolean {
  const current = currentState(state);
  return current !== 'INVALID' && current !== 'UNTRACKED';
}

/** Whether the packet is in one of these states: true, false, or undefined where a translation is not known. */
export function isInState(state: WalkState, wanted: readonly ConnectionState[]): boolean | undefined {
  if (wanted.includes(currentState(state))) return true;
  if (!hasConnection(state) || hasTemplate(state)) return false;
  const translations = [
    wanted.includes('SNAT') ? state.sourceTranslated : false,
    wanted.includes('DNAT') ? state.destinationTranslated : false,
  ];
  if (translations.includes(true)) return true;
  return translations.includes(undefined) ? undefined : false;
}

/** Of 64 states held against 20,000 rules, the same ones are asked for at every rule. */
const KEYS = new WeakMap<WalkState, string>();

/** The same for states that later rules cannot tell apart. */
export function stateKey(state: WalkState): string {
  const known = KEYS.get(state);
  if (known !== undefined) return known;
  const key = writeKey(state);
  KEYS.set(state, key);
  return key;
}

function writeKey(state: WalkState): string {
  const { source, destination, transparent } = state;
  return JSON.stringify([
    sideKey(source),
    sideKey(destination),
    orUnknown(state.inInterface),
    orUnknown(state.outInterface),
    orUnknown(state.mark),
    orUnknown(state.connectionMark),
    [
      state.tracked,
      state.rerouted,
      state.template,
      state.untracked,
      state.zone,
      state.destinationAsked,
      state.sourceAsked,
      state.hasSocket,
    ],
    [orUnknown(state.sourceTranslated), orUnknown(state.destinationTranslated), orUnknown(state.forThisMachine)],
    transparent,
  ]);
}

/** `10.0.0.1:80`, `[fd00::1]:80`, with `?` for what is not known. */
export function renderSide({ address, port }: Side): string {
  const ported = port === undefined ? '' : `:${port}`;
  if (address === undefined) return `?${ported}`;
  return address.family === 'ipv6' && port !== undefined ? `[${address.text}]${ported}` : `${address.text}${ported}`;
}

function sideOf({ address, port }: Endpoint): Side {
  const parsed = address === undefined ? undefined : parseIpAddress(address);
  return {
    ...(parsed === undefined ? { unknown: 'not given' } : { address: parsed }),
    ...(port === undefined ? {} : { port }),
  };
}

function sideKey({ address, port, unknown }: Side): readonly unknown[] {
  return [address?.groups, port, unknown];
}

function orUnknown(value: string | number | boolean | undefined): string | number | boolean {
  return value ?? '?';
}
