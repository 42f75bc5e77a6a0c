import { FAMILY_BITS, parseRange } from '../matching/address-range.ts';
import { MAX_PORT } from '../matching/port.ts';
import type { AddressRange, ServiceAccountMatch, StringMatch } from '../policy.ts';

/** `*` is any text but the empty one; a `*` at the beginning or the end stands for anything (spec istiod.md §6.2). */
export function readStringMatch(text: string): StringMatch {
  if (text === '*') return { kind: 'presence' };
  if (text.startsWith('*')) return { kind: 'suffix', value: text.slice(1) };
  if (text.endsWith('*')) return { kind: 'prefix', value: text.slice(0, -1) };
  return { kind: 'exact', value: text };
}

/** `namespace/account`, or `account` of `namespace`. */
export function readServiceAccount(text: string, namespace: string): ServiceAccountMatch {
  const slash = text.indexOf('/');
  return slash < 0
    ? { namespace, serviceAccount: text }
    : { namespace: text.slice(0, slash), serviceAccount: text.slice(slash + 1) };
}

/** A port from 0 to 65535 in decimal digits; undefined for anything else. */
export function readPort(text: string): number | undefined {
  if (!/^\d+$/.test(text)) return undefined;
  const port = Number(text);
  return port <= MAX_PORT ? port : undefined;
}

/** An address (`10.0.0.1`: of full length) or a range (`10.0.0.0/8`; bits after the length may be set); else undefined. */
export function readAddressRange(text: string): AddressRange | undefined {
  const slash = text.indexOf('/');
  if (slash >= 0) return readRange(text.slice(0, slash), text.slice(slash + 1));
  // Go's netip, which the reference uses, takes a zone in an address (not in a range), and it gets lost on the wire.
  const address = text.replace(/(?<=:.*)%.+$/s, '');
  return readRange(address, String(FAMILY_BITS[address.includes(':') ? 6 : 4]));
}

function readRange(address: string, digits: string): AddressRange | undefined {
  // As netip: no sign, no leading zero.
  if (!/^(0|[1-9]\d{0,2})$/.test(digits)) return undefined;
  const range = { address, length: Number(digits) };
  return parseRange(range) === undefined ? undefined : range;
}
