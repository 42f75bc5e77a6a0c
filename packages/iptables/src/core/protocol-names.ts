/**
 * Protocols by number, as Debian's `/etc/protocols` and then iptables itself name them in a listing. Where that file
 * is missing, iptables prints the numbers of those it has no name for; `listProtocol` makes both the same.
 */
const NAMES: readonly (readonly [number, string, ...string[]])[] = [
  [1, 'icmp'],
  [2, 'igmp'],
  [3, 'ggp'],
  [4, 'ipencap'],
  [5, 'st'],
  [6, 'tcp'],
  [8, 'egp'],
  [9, 'igp'],
  [12, 'pup'],
  [17, 'udp'],
  [20, 'hmp'],
  [22, 'xns-idp'],
  [27, 'rdp'],
  [29, 'iso-tp4'],
  [33, 'dccp'],
  [36, 'xtp'],
  [37, 'ddp'],
  [38, 'idpr-cmtp'],
  [41, 'ipv6'],
  [43, 'ipv6-route'],
  [44, 'ipv6-frag'],
  [45, 'idrp'],
  [46, 'rsvp'],
  [47, 'gre'],
  [50, 'esp'],
  [51, 'ah'],
  [57, 'skip'],
  [58, 'ipv6-icmp', 'icmpv6'],
  [59, 'ipv6-nonxt'],
  [60, 'ipv6-opts'],
  [73, 'rspf'],
  [81, 'vmtp'],
  [88, 'eigrp'],
  [89, 'ospf'],
  [93, 'ax.25'],
  [94, 'ipip'],
  [97, 'etherip'],
  [98, 'encap'],
  [103, 'pim'],
  [108, 'ipcomp'],
  [112, 'vrrp'],
  [115, 'l2tp'],
  [124, 'isis'],
  [132, 'sctp'],
  [133, 'fc'],
  [135, 'mobility-header', 'ipv6-mh', 'mh'],
  [136, 'udplite'],
  [137, 'mpls-in-ip'],
  [138, 'manet'],
  [139, 'hip'],
  [140, 'shim6'],
  [141, 'wesp'],
  [142, 'rohc'],
  [143, 'ethernet'],
];

/**
 * Further names: keywords of IANA, which other distributions have in `/etc/protocols`.
 * @see https://www.iana.org/assignments/protocol-numbers
 */
const FURTHER_NAMES: ReadonlySet<string> = new Set(
  (
    '3pc a/n aggfrag argus aris bbn-rcc-mon bna br-sat-mon cbt cftp chaos compaq-peer cphb cpnx crtp crudp dcn-meas ddx ' +
    'dgp dsr emcon fire gmtp hopopt i-nlsp iatp idpr ifmp il ip iplt ippc iptm ipv4 ipcv ipx-in-ip irtp iso-ip kryptolan ' +
    'larp leaf-1 leaf-2 merit-inp mfe-nsp micp mobile mptcp mtp mux narp netblt nsfnet-igp nsh nvp nvp-ii ospfigp ' +
    'pgm pipe pnni prm ptp pvp qnx rsvp-e2e-ignore rvd sat-expak sat-mon scc-sp scps sdrp secure-vmtp sm smp snp ' +
    'sprite-rpc sps srp sscopmce st2 stp sun-nd swipe tcf tlsp tp++ trunk-1 trunk-2 ttp uti vines visa wb-expak wb-mon wsn ' +
    'xnet'
  ).split(' '),
);

const LISTED: ReadonlyMap<string, string> = new Map([
  ...NAMES.flatMap(([number, name, ...aliases]) =>
    [`${number}`, name, ...aliases].map((spelling): [string, string] => [spelling, name]),
  ),
  ['0', 'all'],
  ['all', 'all'],
]);

const HIGHEST_PROTOCOL = 255;

/** A protocol as iptables lists it: `tcp` for `6` and `TCP`, `all` for any. Unknown ones stay as they are. */
export function listProtocol(text: string): string {
  const found = LISTED.get(text) ?? LISTED.get(text.toLowerCase());
  if (found !== undefined) return found;
  return /^\d+$/.test(text) ? `${Number(text)}` : text;
}

/** Whether the name or number is one of those known here. */
export function isListedProtocol(text: string): boolean {
  return LISTED.has(text) || LISTED.has(text.toLowerCase());
}

/**
 * Whether `text` is a number below 256 or a name of a protocol, in capitals or not. A machine may have no names but those
 * of iptables itself, and further ones of its own: whoever knows it gives the number.
 */
export function isProtocol(text: string): boolean {
  if (/^\d+$/.test(text)) return Number(text) <= HIGHEST_PROTOCOL;
  return isListedProtocol(text) || FURTHER_NAMES.has(text.toLowerCase());
}
