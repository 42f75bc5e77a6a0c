import { not } from '../render-words.ts';
import type { AddressType, AddressTypeMatch } from '../rule.ts';
import type { MatchKind } from './match-kind.ts';

const OPTIONS = { source: '--src-type', destination: '--dst-type' } as const;
/** Kinds of addresses in the order iptables lists them. */
export const ADDRESS_TYPES: readonly AddressType[] = [
  'UNSPEC',
  'UNICAST',
  'LOCAL',
  'BROADCAST',
  'ANYCAST',
  'MULTICAST',
  'BLACKHOLE',
  'UNREACHABLE',
  'PROHIBIT',
];

/** The kernel refuses them there. */
const NOT_IN_IPV6: readonly AddressType[] = ['BROADCAST', 'BLACKHOLE', 'PROHIBIT'];

/** Packets whose source or destination is one of `types` to the routing tables: `addressType('destination', 'LOCAL')`. */
export function addressType(
  side: AddressTypeMatch['side'],
  ...types: readonly [AddressType, ...AddressType[]]
): AddressTypeMatch {
  return { match: 'addrtype', side, types };
}

/** `-m addrtype`. */
export const ADDRTYPE: MatchKind<AddressTypeMatch> = {
  render: ({ side, types, negated }) => `-m addrtype ${not(negated)}${OPTIONS[side]} ${types.join(',')}`,
  parse([option]) {
    const side = option?.name === OPTIONS.source ? 'source' : 'destination';
    const types = option?.values[0]?.split(',').map((name) => ADDRESS_TYPES.find((type) => type === name));
    if (option?.name !== OPTIONS[side] || !types?.every((type) => type !== undefined)) return undefined;
    return { match: 'addrtype', side, types, ...(option.negated ? { negated: true } : {}) };
  },
  list(match) {
    const types = ADDRESS_TYPES.filter((type) => match.types.includes(type));
    return types.join() === match.types.join() ? match : { ...match, types };
  },
  check({ types }, { family }) {
    if (types.length === 0) return 'addrtype needs a type';
    const missing = family === 'ipv6' && types.find((type) => NOT_IN_IPV6.includes(type));
    return missing ? `IPv6 has no addresses of type ${missing}` : undefined;
  },
};
