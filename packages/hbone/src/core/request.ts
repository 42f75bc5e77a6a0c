/**
 * Which header blocks are well formed. A malformed one is a stream error of type PROTOCOL_ERROR (RFC 9113 8.1.1) and
 * never reaches the user; what is well formed and not wanted is the user's to answer.
 */
import type { Field, Fields } from './contract.ts';
import { CONTENT_UNKNOWN } from './stream.ts';

/** RFC 9110 5.6.2 without capitals (RFC 9113 8.2.1). */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** A method is a token, case-sensitive. RFC 9110 9.1 */
const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/**
 * RFC 9113 8.2.1; and what is no octet, which the encoder would cut to one: U+010A to a line feed. Peers cannot send that.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what RFC 9113 8.2.1 forbids
const FORBIDDEN_IN_VALUE = /[\0\r\n\u0100-\uffff]|^[ \t]|[ \t]$/;
/**
 * `host`, `host:port`, `[v6]` or `[v6]:port` of RFC 3986 characters. More than one colon needs brackets, and user
 * information is not allowed: the form of CONNECT is host and port (RFC 9110 9.3.6).
 */
const AUTHORITY = /^(?:[\w\-.~!$&'()*+,;=%]+|\[[0-9A-Fa-f:.]+\])(?::\d*)?$/;
const DIGITS = /^\d+$/;
const STATUS = /^[1-9]\d\d$/;

/** RFC 9113 8.2.2 */
const CONNECTION_SPECIFIC: ReadonlySet<string> = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
]);
/** Valid names that nearly every block of ours has (hbone.md §3.2): one look-up instead of two and a regular expression. */
const USUAL_NAMES: ReadonlySet<string> = new Set([
  'baggage',
  'forwarded',
  'traceparent',
  'x-forwarded-network',
  'date',
]);
const COLON = 0x3a;
/** What an authority's port is when it names none. RFC 3986 6.2.3 */
const DEFAULT_PORT: ReadonlyMap<string | undefined, string> = new Map([
  ['http', ':80'],
  ['https', ':443'],
]);
const REQUEST_PSEUDO: ReadonlySet<string> = new Set([':method', ':scheme', ':authority', ':path']);
const RESPONSE_PSEUDO: ReadonlySet<string> = new Set([':status']);
const NO_PSEUDO: ReadonlySet<string> = new Set();

/** `connect` or `other` for a well-formed request, undefined for a malformed one. RFC 9113 8.3.1, 8.5; hbone.md §3.1 */
export function evaluateRequest(fields: Fields): 'connect' | 'other' | undefined {
  if (!areFieldsValid(fields, REQUEST_PSEUDO)) return undefined;
  const method = valueOf(fields, ':method');
  const authority = valueOf(fields, ':authority');
  const scheme = valueOf(fields, ':scheme');
  const path = valueOf(fields, ':path');
  if (!doHostsAgree(fields, authority, scheme)) return undefined;
  if (method === 'CONNECT') {
    const wellFormed = scheme === undefined && path === undefined && authority !== undefined;
    return wellFormed && AUTHORITY.test(authority) ? 'connect' : undefined;
  }
  return method !== undefined && METHOD.test(method) && scheme && path ? 'other' : undefined;
}

/** The status of a well-formed response, undefined for a malformed one. RFC 9113 8.3.2 */
export function evaluateResponse(fields: Fields): number | undefined {
  const status = valueOf(fields, ':status');
  if (status === undefined || !STATUS.test(status) || !areFieldsValid(fields, RESPONSE_PSEUDO)) return undefined;
  return Number(status);
}

/** Octets of content that the fields announce, CONTENT_UNKNOWN for none, undefined if malformed. RFC 9110 8.6 */
export function contentLength(fields: Fields): number | undefined {
  let announced: string | undefined;
  for (const [name, value] of fields) {
    if (name !== 'content-length') continue;
    if (!DIGITS.test(value) || (announced !== undefined && announced !== value)) return undefined;
    announced = value;
  }
  if (announced === undefined) return CONTENT_UNKNOWN;
  const bytes = Number(announced);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Whether a block may follow the content of a message. RFC 9113 8.1 */
export function areTrailersValid(fields: Fields): boolean {
  return areFieldsValid(fields, NO_PSEUDO);
}

function isPseudo(name: string): boolean {
  return name.charCodeAt(0) === COLON;
}

function valueOf(fields: Fields, name: string): string | undefined {
  for (const field of fields) {
    if (field[0] === name) return field[1];
    if (!isPseudo(field[0])) return undefined;
  }
  return undefined;
}

/** RFC 9113 8.3.1: a `host` that is another entity than `:authority` is malformed; nobody may choose between them. */
function doHostsAgree(fields: Fields, authority: string | undefined, scheme: string | undefined): boolean {
  let entity = authority;
  for (const [name, value] of fields) {
    if (name !== 'host') continue;
    entity ??= value;
    if (value !== entity && normalizeHost(value, scheme) !== normalizeHost(entity, scheme)) return false;
  }
  return true;
}

/** RFC 3986 6.2.2.1, 6.2.3 */
function normalizeHost(host: string, scheme: string | undefined): string {
  const lower = host.toLowerCase();
  const port = DEFAULT_PORT.get(scheme) ?? ':';
  if (lower.endsWith(port)) return lower.slice(0, -port.length);
  return lower.endsWith(':') ? lower.slice(0, -1) : lower;
}

function areFieldsValid(fields: Fields, pseudo: ReadonlySet<string>): boolean {
  let regular = false;
  for (let index = 0; index < fields.length; index++) {
    const field = fields[index]!;
    if (FORBIDDEN_IN_VALUE.test(field[1])) return false;
    if (isPseudo(field[0])) {
      // RFC 9113 8.3: known ones only, once, before all others
      if (regular || !pseudo.has(field[0]) || isRepeated(fields, index)) return false;
    } else {
      regular = true;
      if (!USUAL_NAMES.has(field[0]) && !isRegularValid(field)) return false;
    }
  }
  return true;
}

/** All before `index` are pseudo-header fields, of which there are four kinds: never a long search. */
function isRepeated(fields: Fields, index: number): boolean {
  for (let before = 0; before < index; before++) if (fields[before]![0] === fields[index]![0]) return true;
  return false;
}

function isRegularValid([name, value]: Field): boolean {
  return NAME.test(name) && !CONNECTION_SPECIFIC.has(name) && (name !== 'te' || value === 'trailers');
}
