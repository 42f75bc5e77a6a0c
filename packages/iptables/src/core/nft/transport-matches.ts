import { HIGHEST_PORT, renderPorts } from '../ports.ts';
import type { IcmpMatch, Match, MultiportMatch, PortMatch, PortRange, TcpFlagsMatch, TransportMatch } from '../rule.ts';
import { always, type Conditions, only, unequal } from './condition.ts';
import { noNftForm } from './no-nft-form.ts';
import { renderNftProtocol } from './protocols.ts';

const TRANSPORT_MATCHES: readonly Match['match'][] = ['tcp', 'udp', 'multiport', 'icmp', 'icmp6'];
const WITH_PORTS: readonly string[] = ['tcp', 'udp', 'udplite', 'dccp', 'sctp'];
/** `--icmp-type any` of iptables; ICMPv6 has no such number. */
const ANY_ICMP_TYPE = 255;

/** A match that looks behind the IP header. */
export type TransportLevelMatch = TransportMatch | MultiportMatch | IcmpMatch;

/** Whether {@link translateTransportMatch} is for it. */
export function isTransportMatch(match: Match): match is TransportLevelMatch {
  return TRANSPORT_MATCHES.includes(match.match);
}

/** Ports, flags, types. `protocol` is the one the rule asks for. Throws `IPTABLES_RULE_INVALID`. */
export function translateTransportMatch(match: TransportLevelMatch, protocol: string | undefined): Conditions {
  switch (match.match) {
    case 'tcp':
    case 'udp':
      return translateTransport(match);
    case 'multiport':
      return translateMultiport(match, protocol);
    case 'icmp':
    case 'icmp6':
      return translateIcmp(match);
  }
}

function translateTransport(match: TransportMatch): Conditions {
  const parts = [
    match.sourcePort === undefined ? [] : translatePorts(`${match.match} sport`, match.sourcePort),
    match.destinationPort === undefined ? [] : translatePorts(`${match.match} dport`, match.destinationPort),
    match.flags === undefined ? [] : translateFlags(match.flags),
  ];
  return parts.includes('never') ? 'never' : parts.flatMap((part) => (part === 'never' ? [] : part));
}

function translateMultiport(match: MultiportMatch, protocol: string | undefined): Conditions {
  const header = protocol === undefined ? undefined : renderNftProtocol(protocol);
  if (header === undefined || !WITH_PORTS.includes(header)) throw noNftForm('multiport without a protocol with ports');
  const ranges = joinRanges(match.ports).map((ports) => renderPorts(ports, '-'));
  if (ranges.length === 0) throw noNftForm('multiport without ports');
  const oneOf = ranges.length === 1 ? ranges.join('') : `{ ${ranges.join(', ')} }`;
  if (match.side !== 'either')
    return only(`${header} ${match.side === 'source' ? 'sport' : 'dport'} ${unequal(match)}${oneOf}`);
  if (match.negated === true) return [{ text: `${header} sport != ${oneOf}` }, { text: `${header} dport != ${oneOf}` }];
  const all = `0-${HIGHEST_PORT}`;
  const pairs = ranges.flatMap((range) => [`${range} . ${all}`, `${all} . ${range}`]);
  return only(`${header} sport . ${header} dport { ${pairs.join(', ')} }`);
}

function translateIcmp(match: IcmpMatch): Conditions {
  if (match.match === 'icmp' && match.type === ANY_ICMP_TYPE) return always(match.negated);
  const header = match.match === 'icmp' ? 'icmp' : 'icmpv6';
  if (match.code === undefined) return only(`${header} type ${unequal(match)}${match.type}`);
  if (match.negated !== true) return only(`${header} type ${match.type} ${header} code ${match.code}`);
  // Two != would miss messages of the same type with another code.
  return only(`${header} type . ${header} code != { ${match.type} . ${match.code} }`);
}

function translatePorts(key: string, ports: PortMatch): Conditions {
  return only(`${key} ${unequal(ports)}${renderPorts(ports, '-')}`);
}

function translateFlags(match: TcpFlagsMatch): Conditions {
  const examined = match.examined.map((flag) => flag.toLowerCase());
  const set = match.set.map((flag) => flag.toLowerCase());
  if (set.some((flag) => !examined.includes(flag))) return always(match.negated !== true);
  if (examined.length === 0) return always(match.negated);
  const wanted = set.length === 0 ? '0x0' : set.join(' | ');
  const operator = match.negated === true ? '!=' : '==';
  return only(`tcp flags & (${examined.join(' | ')}) ${operator} ${set.length > 1 ? `(${wanted})` : wanted}`);
}

/** nft refuses ranges that overlap in one set. */
function joinRanges(ports: readonly PortRange[]): readonly PortRange[] {
  const joined: { first: number; last: number }[] = [];
  for (const { first, last = first } of ports.toSorted((one, other) => one.first - other.first)) {
    const before = joined.at(-1);
    if (before !== undefined && first <= before.last + 1) before.last = Math.max(before.last, last);
    else joined.push({ first, last });
  }
  return joined.map(({ first, last }) => (first === last ? { first } : { first, last }));
}
