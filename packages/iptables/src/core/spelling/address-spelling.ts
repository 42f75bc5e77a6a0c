import { isMasked, maskGroups, parseAddress, renderGroups } from '../address.ts';
import { netmaskLength } from '../matches/address.ts';
import type { Family } from '../rule.ts';
import type { Refusal } from './option-spelling.ts';
import { parseNumber } from './value-spelling.ts';

const HIGHEST_OCTET = 255;
const OCTETS = 4;

/**
 * One block of addresses: as written where it is an address with or without a prefix length, else so that it is; undefined
 * for a netmask with gaps, and for what is no address. Names are refused: what they mean is looked up when a rule is loaded.
 */
export function respellBlock(text: string, family: Family): string | Refusal | undefined {
  const slash = text.indexOf('/');
  const written = slash === -1 ? text : text.slice(0, slash);
  if (/^[a-z0-9_.-]*[g-z][a-z0-9_.-]*$/i.test(written))
    return { refused: `${JSON.stringify(written)}: want the address as a number, not a name` };
  const address = family === 'ipv4' ? respellIpv4(written) : written;
  const groups = address === undefined ? undefined : parseAddress(address, family);
  if (address === undefined || groups === undefined) return undefined;
  if (slash === -1) return address;
  const mask = text.slice(slash + 1);
  if (/^\d+$/.test(mask)) return `${address}/${mask}`;
  const length = netmaskLength(address, mask);
  if (Number.isNaN(length)) return undefined;
  return isMasked(groups, length) ? `${address}/${length}` : `${renderGroups(maskGroups(groups, length))}/${length}`;
}

/** Octal numbers, and zeros in place of what is missing behind: `10.1` is 10.1.0.0 to these tools. */
function respellIpv4(text: string): string | undefined {
  const octets = text.split('.').map((part) => parseNumber(part, HIGHEST_OCTET));
  if (octets.length > OCTETS || octets.includes(undefined)) return undefined;
  return [...octets, ...Array.from({ length: OCTETS - octets.length }, () => 0)].join('.');
}
