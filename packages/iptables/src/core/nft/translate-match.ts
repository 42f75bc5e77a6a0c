import { IptablesError } from '../../errors.ts';
import type {
  AddressMatch,
  AddressTypeMatch,
  Family,
  InterfaceMatch,
  Match,
  ProtocolMatch,
  SetMatch,
} from '../rule.ts';
import { always, type Conditions, only, unequal } from './condition.ts';
import { noNftForm } from './no-nft-form.ts';
import { renderNftProtocol } from './protocols.ts';
import { isStateMatch, translateStateMatch } from './state-matches.ts';
import { isTransportMatch, translateTransportMatch } from './transport-matches.ts';

const ADDRESS_BITS = { ipv4: 32, ipv6: 128 } as const;
/** For IPv6 the kernel means something else by the other types in `-m addrtype` than in `fib`. */
const IPV6_ADDRESS_TYPES: readonly string[] = ['LOCAL', 'ANYCAST'];

/** What a match asks of packets of `family`. Throws `IPTABLES_RULE_INVALID` where nft has no exact equal. */
export function translateMatch(match: Match, family: Family, protocol: string | undefined): Conditions {
  if (isStateMatch(match)) return translateStateMatch(match);
  if (isTransportMatch(match)) return translateTransportMatch(match, protocol);
  switch (match.match) {
    case 'source':
    case 'destination':
      return translateAddress(match, family);
    case 'in-interface':
    case 'out-interface':
      return translateInterface(match);
    case 'protocol':
      return translateProtocol(match);
    case 'set':
      return translateSet(match, family);
    case 'addrtype':
      return translateAddressType(match, family);
    case 'comment':
      return [];
    case 'raw':
      throw noNftForm(match.text);
  }
}

/** `ip` or `ip6`. */
export function familyWord(family: Family): 'ip' | 'ip6' {
  return family === 'ipv4' ? 'ip' : 'ip6';
}

/** An address without prefix length as it stands. Throws `IPTABLES_RULE_INVALID` for names and ranges. */
export function checkAddress(address: string, family: Family): string {
  const right = family === 'ipv4' ? /^\d+(?:\.\d+){3}$/ : /^[\da-f.]*:[\da-f.:]*$/i;
  if (!right.test(address)) throw new IptablesError('IPTABLES_RULE_INVALID', `${address}: want one ${family} address`);
  return address;
}

function translateAddress(match: AddressMatch, family: Family): Conditions {
  const address = checkAddress(match.address, family);
  if (match.prefixLength === 0) return always(match.negated);
  const bits = match.prefixLength ?? ADDRESS_BITS[family];
  const length = bits === ADDRESS_BITS[family] ? '' : `/${bits}`;
  const side = match.match === 'source' ? 'saddr' : 'daddr';
  return only(`${familyWord(family)} ${side} ${unequal(match)}${address}${length}`, { ofFamily: true });
}

function translateInterface(match: InterfaceMatch): Conditions {
  if (/["*\\\p{Cc}]/u.test(match.name)) throw noNftForm(`interface ${match.name}`);
  if (match.name === '+') return always(match.negated);
  const key = match.match === 'in-interface' ? 'iifname' : 'oifname';
  return only(`${key} ${unequal(match)}"${match.name.replace(/\+$/, '*')}"`);
}

function translateProtocol(match: ProtocolMatch): Conditions {
  const protocol = renderNftProtocol(match.protocol);
  return protocol === undefined ? always(match.negated) : only(`meta l4proto ${unequal(match)}${protocol}`);
}

function translateSet(match: SetMatch, family: Family): Conditions {
  const [direction, ...more] = match.directions;
  if (direction === undefined || more.length > 0) throw noNftForm(`a set of ${match.directions.length} dimensions`);
  if (!/^[A-Za-z][\w.-]*$/.test(match.set)) throw noNftForm(`the set name ${match.set}`);
  const side = direction === 'src' ? 'saddr' : 'daddr';
  return only(`${familyWord(family)} ${side} ${unequal(match)}@${match.set}`, { ofFamily: true });
}

function translateAddressType(match: AddressTypeMatch, family: Family): Conditions {
  const { types } = match;
  const exact =
    family === 'ipv4' ||
    types.every((type) => IPV6_ADDRESS_TYPES.includes(type)) ||
    (types.length === 1 && types[0] === 'MULTICAST');
  if (types.length === 0 || !exact) throw noNftForm(`address type ${types.join(',')} in ${family}`);
  const names = types.map((type) => type.toLowerCase());
  const wanted = names.length === 1 ? names.join('') : `{ ${names.join(', ')} }`;
  return only(`fib ${match.side === 'source' ? 'saddr' : 'daddr'} type ${unequal(match)}${wanted}`);
}
