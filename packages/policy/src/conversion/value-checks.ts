import { parseIpAddress, unmapIpAddress } from '../matching/ip-address.ts';
import type { ProblemList } from './problem-list.ts';
import { readAddressRange, readPort } from './read-values.ts';

/** Tells what is wrong with one value. */
export type ValueCheck = (value: string, path: string, problems: ProblemList) => void;

/** Bits before the IPv4 address in a v4-mapped one. */
const MAPPED_BITS = 96;

/** Trust domain, namespace and account, as certificates have them. */
const PRINCIPAL = /^[^/]+\/ns\/[^/]+\/sa\/[^/]+$/;

/** Any text but the empty one; `*` stands for something at the beginning or the end only. */
export function checkText(value: string, path: string, problems: ProblemList): void {
  if (value === '') problems.fail(path, 'want text, not ""');
}

/** A pattern of identities. */
export function checkPrincipal(value: string, path: string, problems: ProblemList): void {
  checkText(value, path, problems);
  if (value.includes('spiffe://'))
    problems.warn(path, `nobody has the principal ${JSON.stringify(value)}: they are compared without spiffe://`);
  else if (value.slice(1, -1).includes('*'))
    problems.warn(path, `in ${JSON.stringify(value)} a * counts as itself: it stands for more only as first or last`);
  else if (value !== '' && !value.includes('*') && !PRINCIPAL.test(value))
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
  const ip = parseIpAddress(range.address);
  if (ip?.family === 6 && range.length >= MAPPED_BITS && unmapIpAddress(ip).family === 4)
    problems.warn(path, `no connection is in ${value}: write it as IPv4, as the addresses of connections are`);
}
