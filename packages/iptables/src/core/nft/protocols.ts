import { noNftForm } from './no-nft-form.ts';

/** Words that nft reads without `/etc/protocols`; other names of iptables as numbers. */
const PROTOCOLS: ReadonlyMap<string, string> = new Map([
  ...['tcp', 'udp', 'udplite', 'icmp', 'icmpv6', 'esp', 'ah', 'dccp', 'sctp', 'comp'].map((name): [string, string] => [
    name,
    name,
  ]),
  ['ipv6-icmp', 'icmpv6'],
  ['ipcomp', 'comp'],
  ['igmp', '2'],
  ['ipencap', '4'],
  ['ipv4', '4'],
  ['ipv6', '41'],
  ['gre', '47'],
  ['eigrp', '88'],
  ['ospf', '89'],
  ['ipip', '94'],
  ['pim', '103'],
  ['vrrp', '112'],
  ['l2tp', '115'],
  ['ipv6-mh', '135'],
  ['mh', '135'],
]);
const NUMBERS: ReadonlyMap<string, string> = new Map([
  ['1', 'icmp'],
  ['6', 'tcp'],
  ['17', 'udp'],
  ['58', 'icmpv6'],
  ['132', 'sctp'],
]);
const HIGHEST_PROTOCOL = 255;

/** The protocol as nft writes it; undefined for `all`. Throws `IPTABLES_RULE_INVALID` for names nobody knows. */
export function renderNftProtocol(protocol: string): string | undefined {
  const name = protocol.toLowerCase();
  if (name === 'all' || name === '0') return undefined;
  if (/^\d{1,3}$/.test(name) && Number(name) <= HIGHEST_PROTOCOL) return NUMBERS.get(name) ?? `${Number(name)}`;
  const known = PROTOCOLS.get(name);
  if (known === undefined) throw noNftForm(`protocol ${protocol} (unless given as a number)`);
  return known;
}
