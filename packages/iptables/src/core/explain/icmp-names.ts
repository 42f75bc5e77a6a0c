/** A type of ICMP or ICMPv6, with a code where it is a part of the name. */
export interface IcmpKind {
  readonly type: number;
  readonly code?: number;
}

type Kinds = readonly (readonly [name: string, type: number, code?: number])[];

/** The names of iptables, as `iptables -p icmp -h` lists them, in small letters. */
const V4: Kinds = [
  ['echo-reply', 0],
  ['pong', 0],
  ['destination-unreachable', 3],
  ['network-unreachable', 3, 0],
  ['host-unreachable', 3, 1],
  ['protocol-unreachable', 3, 2],
  ['port-unreachable', 3, 3],
  ['fragmentation-needed', 3, 4],
  ['source-route-failed', 3, 5],
  ['network-unknown', 3, 6],
  ['host-unknown', 3, 7],
  ['network-prohibited', 3, 9],
  ['host-prohibited', 3, 10],
  ['tos-network-unreachable', 3, 11],
  ['tos-host-unreachable', 3, 12],
  ['communication-prohibited', 3, 13],
  ['host-precedence-violation', 3, 14],
  ['precedence-cutoff', 3, 15],
  ['source-quench', 4],
  ['redirect', 5],
  ['network-redirect', 5, 0],
  ['host-redirect', 5, 1],
  ['tos-network-redirect', 5, 2],
  ['tos-host-redirect', 5, 3],
  ['echo-request', 8],
  ['ping', 8],
  ['router-advertisement', 9],
  ['router-solicitation', 10],
  ['time-exceeded', 11],
  ['ttl-exceeded', 11],
  ['ttl-zero-during-transit', 11, 0],
  ['ttl-zero-during-reassembly', 11, 1],
  ['parameter-problem', 12],
  ['ip-header-bad', 12, 0],
  ['required-option-missing', 12, 1],
  ['timestamp-request', 13],
  ['timestamp-reply', 14],
  ['address-mask-request', 17],
  ['address-mask-reply', 18],
];

/** The names of ip6tables. */
const V6: Kinds = [
  ['destination-unreachable', 1],
  ['no-route', 1, 0],
  ['communication-prohibited', 1, 1],
  ['beyond-scope', 1, 2],
  ['address-unreachable', 1, 3],
  ['port-unreachable', 1, 4],
  ['failed-policy', 1, 5],
  ['reject-route', 1, 6],
  ['packet-too-big', 2],
  ['time-exceeded', 3],
  ['ttl-exceeded', 3],
  ['ttl-zero-during-transit', 3, 0],
  ['ttl-zero-during-reassembly', 3, 1],
  ['parameter-problem', 4],
  ['bad-header', 4, 0],
  ['unknown-header-type', 4, 1],
  ['unknown-option', 4, 2],
  ['echo-request', 128],
  ['ping', 128],
  ['echo-reply', 129],
  ['pong', 129],
  ['router-solicitation', 133],
  ['router-advertisement', 134],
  ['neighbour-solicitation', 135],
  ['neighbor-solicitation', 135],
  ['neighbour-advertisement', 136],
  ['neighbor-advertisement', 136],
  ['redirect', 137],
];

/** The kind that `name` means with a protocol; undefined where it means none. */
export function icmpNamed(name: string, protocol: string): IcmpKind | undefined {
  const [, type, code] = kindsOf(protocol).find(([known]) => known === name.toLowerCase()) ?? [];
  return type === undefined ? undefined : { type, ...(code === undefined ? {} : { code }) };
}

/** The same for a name that may be cut off where it stays the only one that begins so, as in a rule. */
export function icmpAbbreviated(name: string, protocol: string): IcmpKind | undefined {
  const meant = kindsOf(protocol).filter(([known]) => known.startsWith(name.toLowerCase()));
  return icmpNamed(meant.length === 1 ? (meant[0]?.[0] ?? name) : name, protocol);
}

/** All names of a protocol, such as `icmp`, with their numbers, for messages: `echo-request (8)`. */
export function listIcmpNames(protocol: string): readonly string[] {
  return kindsOf(protocol).map(([name, type, code]) => `${name} (${type}${code === undefined ? '' : `/${code}`})`);
}

function kindsOf(protocol: string): Kinds {
  if (protocol === 'icmp') return V4;
  return protocol === 'ipv6-icmp' ? V6 : [];
}
