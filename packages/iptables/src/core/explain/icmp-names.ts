/** A type of ICMP or ICMPv6, with a code where it is a part of the name. */
export interface IcmpKind {
  readonly type: number;
  readonly code?: number;
}

type Kinds = readonly (readonly [name: string, type: number, code?: number])[];

/** The names of iptables, as `iptables -p icmp -h` lists them, of which many packets are. */
const V4: Kinds = [
  ['echo-reply', 0],
  ['pong', 0],
  ['destination-unreachable', 3],
  ['network-unreachable', 3, 0],
  ['host-unreachable', 3, 1],
  ['protocol-unreachable', 3, 2],
  ['port-unreachable', 3, 3],
  ['fragmentation-needed', 3, 4],
  ['source-quench', 4],
  ['redirect', 5],
  ['echo-request', 8],
  ['ping', 8],
  ['router-advertisement', 9],
  ['router-solicitation', 10],
  ['time-exceeded', 11],
  ['ttl-exceeded', 11],
  ['parameter-problem', 12],
  ['timestamp-request', 13],
  ['timestamp-reply', 14],
];

/** The names of ip6tables. */
const V6: Kinds = [
  ['destination-unreachable', 1],
  ['no-route', 1, 0],
  ['port-unreachable', 1, 4],
  ['packet-too-big', 2],
  ['time-exceeded', 3],
  ['ttl-exceeded', 3],
  ['parameter-problem', 4],
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

/** All names of a protocol, such as `icmp`, with their numbers, for messages: `echo-request (8)`. */
export function listIcmpNames(protocol: string): readonly string[] {
  return kindsOf(protocol).map(([name, type, code]) => `${name} (${type}${code === undefined ? '' : `/${code}`})`);
}

function kindsOf(protocol: string): Kinds {
  if (protocol === 'icmp') return V4;
  return protocol === 'ipv6-icmp' ? V6 : [];
}
