import type { Field, Fields } from '../core/contract.ts';
import { evaluateResponse } from '../core/request.ts';

/** Header fields as pairs, or as an object. */
export type TunnelHeaders = Fields | Readonly<Record<string, string>>;

/** Header fields for the wire: names in lower case. */
export function renderHeaders(headers: TunnelHeaders = []): Fields {
  const pairs: readonly Field[] = isPairs(headers) ? headers : Object.entries(headers);
  return pairs.map(([name, value]) => [name.toLowerCase(), value]);
}

/** The quoted name of a regular field that cannot be sent, if there is one: names are tokens, values latin1 without line breaks. */
export function malformedField(fields: Fields): string | undefined {
  const bad = fields.find((field) => evaluateResponse([[':status', '200'], field]) === undefined);
  return bad === undefined ? undefined : JSON.stringify(bad[0]);
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
