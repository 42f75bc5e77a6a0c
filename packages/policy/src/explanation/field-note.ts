import { contains, parseRange } from '../matching/address-range.ts';
import { type IpAddress, unmapIpAddress } from '../matching/ip-address.ts';
import { matchesText } from '../matching/string-match.ts';
import type { Subject } from '../matching/subject.ts';
import type { AddressRange, Match, StringMatch } from '../policy.ts';
import type { Condition, Facts } from './condition.ts';
import type { FieldName } from './explanation.ts';
import { renderIpAddress } from './render-ip-address.ts';
import { renderRange } from './render-value.ts';

/** A cause in words of what became of a condition. */
export interface FieldNote {
  readonly text: string;
  /** Whether a value means this connection, and nothing but its spelling keeps the two apart. */
  readonly misspelt: boolean;
}

const PLAIN_TEXT = 'the client came in plain text, without a certificate';
const SCHEME = 'spiffe://';
/** Values that are looked at for mistakes; lists that are longer come from programs, which make few. */
const MOST_VALUES_CHECKED = 64;
/** ::ffff:0:0/96 */
const MAPPED_BITS = 96;

type Noter = (match: Match, subject: Subject) => FieldNote | undefined;

/** Of conditions that hold. */
const HOLDING: { readonly [field in FieldName]?: Noter } = {
  namespaces: noteNoIdentity(': its namespace is the empty text'),
  notNamespaces: noteNoIdentity(),
  notServiceAccounts: noteNoIdentity(),
  notPrincipals: ({ notPrincipals = [] }, subject) => noteNotPrincipals(notPrincipals, subject),
  notSourceIps: ({ notSourceIps = [] }, { sourceIp }) => noteRanges(notSourceIps, sourceIp),
  notDestinationIps: ({ notDestinationIps = [] }, { destinationIp }) => noteRanges(notDestinationIps, destinationIp),
};

/** Of conditions that do not hold. */
const FAILED: { readonly [field in FieldName]?: Noter } = {
  namespaces: noteNoIdentity(': its namespace is the empty text'),
  serviceAccounts: noteNoIdentity(': no service account matches'),
  notNamespaces: noteNoIdentity(': its namespace is the empty text'),
  principals: ({ principals = [] }, subject) => notePrincipals(principals, subject),
  sourceIps: ({ sourceIps = [] }, { sourceIp }) => noteRanges(sourceIps, sourceIp) ?? BEHIND_PROXY,
  destinationIps: ({ destinationIps = [] }, { destinationIp }) =>
    noteRanges(destinationIps, destinationIp) ?? NOT_SERVICE,
  destinationPorts: () => NOT_SERVICE_PORT,
};

const BEHIND_PROXY = note('behind a waypoint or a gateway, the source address is that of the proxy');
const NOT_SERVICE = note('policies see the address of the pod, not that of a service');
const NOT_SERVICE_PORT = note("policies see the port of the pod (the service's targetPort), not that of the service");

/** What the values alone do not tell of a condition that a match has; undefined if nothing. */
export function noteField(
  { field }: Condition,
  match: Match,
  { subject }: Facts,
  satisfied: boolean,
): FieldNote | undefined {
  return (satisfied ? HOLDING : FAILED)[field]?.(match, subject);
}

function noteNoIdentity(consequence = ''): Noter {
  const plain = note(`${PLAIN_TEXT}${consequence}`);
  return (_match, { identity }) => (identity === undefined ? plain : undefined);
}

function note(text: string, misspelt = false): FieldNote {
  return { text, misspelt };
}

function notePrincipals(patterns: readonly StringMatch[], { principal }: Subject): FieldNote | undefined {
  if (principal === undefined) return note(`${PLAIN_TEXT}: no principal matches`);
  let found: FieldNote | undefined;
  for (const pattern of patterns.slice(0, MOST_VALUES_CHECKED)) {
    const mistake = pattern.kind === 'presence' ? undefined : notePrincipal(pattern, principal);
    if (mistake?.misspelt) return mistake;
    found ??= mistake;
  }
  return found;
}

function notePrincipal(pattern: Exclude<StringMatch, { kind: 'presence' }>, principal: string): FieldNote | undefined {
  const { kind, value } = pattern;
  if (value.startsWith(SCHEME) && kind !== 'suffix')
    return note(
      `\`${value}\` matches nobody: principals are written without ${SCHEME}`,
      matchesText({ kind, value: value.slice(SCHEME.length) }, principal),
    );
  if (value.includes('*'))
    return note(
      `\`${value}\` matches nobody: * stands for anything only at the beginning or at the end, and only once`,
    );
  if (kind !== 'exact') return undefined;
  if (!value.includes('/ns/') || !value.includes('/sa/'))
    return note(`\`${value}\` matches nobody: want TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT`);
  return noteDifference(value, principal);
}

/** Which part of two principals differs, if it is one that is easily overlooked. */
function noteDifference(wanted: string, actual: string): FieldNote | undefined {
  if (wanted.endsWith(actual.slice(actual.indexOf('/'))) && wanted.indexOf('/') === wanted.indexOf('/ns/'))
    return note(`only the trust domain differs from \`${wanted}\``, true);
  if (wanted.length === actual.length && wanted.toLowerCase() === actual.toLowerCase())
    return note(`only capital letters differ from \`${wanted}\``, true);
  if (wanted.length !== actual.length && wanted.trim() === actual)
    return note(`only blanks differ from \`${wanted}\``, true);
  return undefined;
}

function noteNotPrincipals(patterns: readonly StringMatch[], { principal }: Subject): FieldNote | undefined {
  if (principal === undefined) return note(PLAIN_TEXT);
  for (const pattern of patterns.slice(0, MOST_VALUES_CHECKED))
    if (pattern.kind !== 'presence' && pattern.kind !== 'suffix' && pattern.value.startsWith(SCHEME))
      return note(
        `\`${pattern.value}\` excludes nobody: principals are written without ${SCHEME}`,
        matchesText({ kind: pattern.kind, value: pattern.value.slice(SCHEME.length) }, principal),
      );
  return undefined;
}

/** Ranges of another family than the address contain it in no case, v4-mapped ones of IPv6 neither. */
function noteRanges(ranges: readonly AddressRange[], ip: IpAddress): FieldNote | undefined {
  let others = 0;
  for (const range of ranges.slice(0, MOST_VALUES_CHECKED)) {
    const parsed = parseRange(range);
    if (parsed === undefined || parsed.family === ip.family) continue;
    others++;
    const unmapped = unmapIpAddress(parsed);
    if (unmapped.family !== ip.family || range.length < MAPPED_BITS) continue;
    const meant = { address: renderIpAddress(unmapped), length: range.length - MAPPED_BITS };
    const asMeant = parseRange(meant);
    return note(
      `\`${renderRange(range)}\` contains no IPv4 address: write ${renderRange(meant)}`,
      asMeant !== undefined && contains(asMeant, ip),
    );
  }
  if (others === 0 || others < ranges.length) return undefined;
  return note(`the address is IPv${ip.family} and the ${ranges.length === 1 ? 'range is' : 'ranges are'} not`);
}
