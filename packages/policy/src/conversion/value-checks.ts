import { parseRange, unmapRange } from '../matching/address-range.ts';
import { parsePrincipal } from '../matching/principal.ts';
import type { ProblemList } from './problem-list.ts';
import { readAddressRange, readPort } from './read-values.ts';

/** Tells what is wrong with one value. */
export type ValueCheck = (value: string, path: string, problems: ProblemList) => void;

/** Any text but the empty one; `*` stands for something at the beginning or the end only. */
export function checkText(value: string, path: string, problems: ProblemList): void {
  if (value === '') problems.fail(path, 'want text, not ""');
}

/** A pattern of namespaces: they are labels of DNS. */
export function checkNamespace(value: string, path: string, problems: ProblemList): void {
  checkText(value, path, problems);
  if (!/^\*?[-a-z\d]*\*?$/.test(value))
    problems.warn(path, `no namespace is ${JSON.stringify(value)}: want lower-case letters, digits and -`);
}

/** A pattern of identities. */
export function checkPrincipal(value: string, path: string, problems: ProblemList): void {
  checkText(value, path, problems);
  if (value.includes('spiffe://'))
    problems.warn(
      path,
      `nobody has the principal ${JSON.stringify(value)}: want ${JSON.stringify(value.replace('spiffe://', ''))}, as they are compared without spiffe://`,
    );
  else if (value.slice(1, -1).includes('*'))
    problems.warn(path, `in ${JSON.stringify(value)} a * counts as itself: it stands for more only as first or last`);
  else if (value !== '' && !value.includes('*') && parsePrincipal(value) === undefined)
    problems.warn(path, `nobody has the principal ${JSON.stringify(value)}: want TRUST_DOMAIN/ns/NAMESPACE/sa/ACCOUNT`);
}

/** `namespace/account` or `account`. */
export function checkServiceAccount(value: string, path: string, problems: ProblemList): void {
  if (!/^([^/]+\/)?[^/]+$/.test(value))
    problems.fail(path, `want NAMESPACE/ACCOUNT or ACCOUNT, not ${JSON.stringify(value)}`);
  else if (value.includes('*'))
    problems.warn(path, `nobody has the account ${JSON.stringify(value)}: * stands for nothing else here`);
}

/** A port as text. */
export function checkPort(value: string, path: string, problems: ProblemList): void {
  if (readPort(value) === undefined) problems.fail(path, `want a port from 0 to 65535, not ${JSON.stringify(value)}`);
}

/** An address or a range. */
export function checkAddressRange(value: string, path: string, problems: ProblemList): void {
  const range = readAddressRange(value);
  if (range === undefined) {
    problems.fail(path, `want an address or a range such as 10.0.0.0/8 or 2001:db8::/32, not ${JSON.stringify(value)}`);
    return;
  }
  const parsed = parseRange(range);
  if (parsed?.words.some((word, index) => (word & ~(parsed.mask[index] ?? 0)) !== 0))
    problems.warn(
      path,
      `${value} has bits behind its first ${range.length}, which do not count: is one address meant?`,
    );
  if (unmapRange(range) !== undefined)
    problems.warn(path, `no connection is in ${value}: write it as IPv4, as the addresses of connections are`);
}
