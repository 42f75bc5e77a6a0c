import type { Field, Fields } from '../core/contract.ts';

/** Header fields as pairs, or as an object. */
export type TunnelHeaders = Fields | Readonly<Record<string, string>>;

/** Values are octets: latin1. */
const BEYOND_OCTETS = /[^\0-\xff]/;

/** Header fields for the wire: names in lower case. Throws RangeError for values that are not latin1. */
export function renderHeaders(headers: TunnelHeaders = []): Fields {
  const pairs: readonly Field[] = isPairs(headers) ? headers : Object.entries(headers);
  return pairs.map(([name, value]) => {
    if (BEYOND_OCTETS.test(value)) throw new RangeError(`header ${name}: only latin1 can be sent`);
    return [name.toLowerCase(), value];
  });
}

/** The regular fields by name, several of a name joined by commas. RFC 9110 5.3 */
export function headerMap(fields: Fields): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (const [name, value] of fields) {
    if (name.startsWith(':')) continue;
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return headers;
}

function isPairs(headers: TunnelHeaders): headers is Fields {
  return Array.isArray(headers);
}
