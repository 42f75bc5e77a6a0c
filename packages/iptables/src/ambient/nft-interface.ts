/** What nft reads as a name without quotes. */
const PLAIN = /^[A-Za-z_.][A-Za-z0-9_.-]*$/;
/** Keywords (nft 1.0 and 1.1) that nft would not, or might not, take for the name of an interface. */
const KEYWORDS: ReadonlySet<string> = new Set(
  (
    'accept add ah all and arp bridge cgroup chain comment comp constant continue counter cpu create ' +
    'ct day dccp define delete describe destroy device dnat drop dst dup dynamic element elements eq ' +
    'esp ether exists expires export exthdr fib flags flow flowtable flush frag fwd ge geneve get ' +
    'goto gre gretap gt handle hbh hook hour ibriport ibrname icmp icmpv6 igmp iif iifgroup iifname ' +
    'iiftype import include index inet insert interval ip ip6 ipsec jhash jump last le limit list log ' +
    'lshift lt map mark masquerade meta meter mh missing monitor ne netdev nftrace not notrack numgen ' +
    'obriport obrname oif oifgroup oifname oiftype or osf pkttype policy position priority queue ' +
    'quota random redefine redirect reject rename replace reset return rshift rt rt0 rt2 rt4 ' +
    'rtclassid rule ruleset sctp secmark set size skgid skuid snat socket srh symhash synproxy table ' +
    'tcp th timeout tproxy tunnel type typeof udp udplite undefine vlan vmap vxlan xfrm xor xt'
  ).split(' '),
);

/** A checked interface name in the words of nft: plain where possible, `tap+` as the pattern `"tap*"`. */
export function nftInterface(name: string): string {
  if (name.endsWith('+')) return `"${name.slice(0, -1)}*"`;
  return PLAIN.test(name) && !KEYWORDS.has(name) ? name : `"${name}"`;
}
