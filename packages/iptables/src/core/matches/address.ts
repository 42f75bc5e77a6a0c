import { IptablesError } from '../../errors.ts';
import { ADDRESS_BITS, GROUP_BITS, isMasked, maskGroups, parseAddress, renderGroups } from '../address.ts';
import { not, word } from '../render-words.ts';
import type { AddressMatch, Family } from '../rule.ts';
import type { MatchKind, RuleScope } from './match-kind.ts';

/** No name, and no list of addresses. */
const BLOCK = /^[0-9a-fA-F:.]+(?:\/[0-9a-fA-F:.]+)?$/;
/** Octal numbers and cut off addresses: the tools take them for others than they look like. */
const UNUSUAL = /^(?:\d+\.){0,2}\d+(?:\/|$)|^(?:\d+\.)*0\d[\d.]*(?:\/|$)/;
/**
 * Packets from `block`, such as `10.0.0.0/8`, `10.0.0.0/255.0.0.0` or `fd00::1`; put `negate` around it for all others.
 * Throws `IPTABLES_RULE_INVALID` for a netmask with gaps and for what is none.
 */
export function source(block: string): AddressMatch {
  return checkedBlock(block, addressMatch('source', block));
}

/** Packets to `block`, as {@link source}. */
export function destination(block: string): AddressMatch {
  return checkedBlock(block, addressMatch('destination', block));
}

/** `-s` and `-d`. */
export const ADDRESS: MatchKind<AddressMatch> = {
  render(match) {
    const length = match.prefixLength === undefined ? '' : `/${match.prefixLength}`;
    return `${not(match.negated)}-${match.match === 'source' ? 's' : 'd'} ${word(match.address)}${length}`;
  },
  parse([option]) {
    const block = option?.values[0] ?? '';
    if (option === undefined || !BLOCK.test(block) || UNUSUAL.test(block)) return undefined;
    const match = addressMatch(option.name === '-s' ? 'source' : 'destination', block);
    return option.negated ? { ...match, negated: true } : match;
  },
  list(match, family) {
    const prefixLength = match.prefixLength ?? ADDRESS_BITS[family];
    if (prefixLength === 0 && !match.negated) return undefined;
    const groups = parseAddress(match.address, family);
    if (groups === undefined) return match.prefixLength === undefined ? { ...match, prefixLength } : match;
    // Only one spelling of an IPv4 address is read at all.
    if (family === 'ipv4' && match.prefixLength !== undefined && isMasked(groups, prefixLength)) return match;
    const address = renderGroups(maskGroups(groups, prefixLength));
    return address === match.address && match.prefixLength !== undefined ? match : { ...match, address, prefixLength };
  },
  check(match, { family }) {
    if (parseAddress(match.address, family) === undefined) return notAnAddress(match.address, family);
    const { prefixLength = ADDRESS_BITS[family] } = match;
    if (!Number.isInteger(prefixLength) || prefixLength < 0 || prefixLength > ADDRESS_BITS[family])
      return `prefix length ${prefixLength}: want 0 to ${ADDRESS_BITS[family]}`;
    return prefixLength === 0 && match.negated ? 'no packet has an address outside of all addresses' : undefined;
  },
};

/** Why `text` is refused as an address of the family; says so when it is one of the other. */
export function notAnAddress(text: string, family: RuleScope['family']): string {
  const other: Family = family === 'ipv4' ? 'ipv6' : 'ipv4';
  const what = parseAddress(text, other) === undefined ? 'no address' : `an address of ${other}`;
  return `${JSON.stringify(text)} is ${what}: want one of ${family}`;
}

function addressMatch(match: AddressMatch['match'], block: string): AddressMatch {
  const at = block.indexOf('/');
  if (at === -1) return { match, address: block };
  const length = block.slice(at + 1);
  const address = block.slice(0, at);
  return { match, address, prefixLength: /^\d+$/.test(length) ? Number(length) : netmaskLength(address, length) };
}

/** Leading ones of a netmask; not a number where there are further ones, or it is none of the address's family. */
export function netmaskLength(address: string, mask: string): number {
  const groups = parseAddress(mask, address.includes(':') ? 'ipv6' : 'ipv4') ?? [];
  const bits = groups.map((group) => group.toString(2).padStart(GROUP_BITS, '0')).join('');
  return /^1*0*$/.test(bits) && bits !== '' ? bits.lastIndexOf('1') + 1 : Number.NaN;
}

function checkedBlock(block: string, match: AddressMatch): AddressMatch {
  if (!Number.isNaN(match.prefixLength)) return match;
  throw new IptablesError(
    'IPTABLES_RULE_INVALID',
    `${JSON.stringify(block)}: want a prefix length (10.0.0.0/8) or a netmask without gaps (10.0.0.0/255.0.0.0)`,
  );
}
