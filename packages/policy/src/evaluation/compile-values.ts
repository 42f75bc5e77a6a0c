import { contains, parseRange } from '../matching/address-range.ts';
import { matchesAccount } from '../matching/field-value.ts';
import type { IpAddress } from '../matching/ip-address.ts';
import { matchesText } from '../matching/string-match.ts';
import type { Subject } from '../matching/subject.ts';
import type { AddressRange, ServiceAccountMatch, StringMatch } from '../policy.ts';

/** Whether a connection is as a rule, or a part of one, wants it. */
export type Condition = (subject: Subject) => boolean;

// Each of these tells whether any of a list's values holds (spec policy.md §4.3). The list is not empty.

export function anyPort(ports: readonly number[]): Condition {
  const wanted = new Set(ports);
  return (subject) => wanted.has(subject.destinationPort);
}

export function anyNamespace(patterns: readonly StringMatch[]): Condition {
  const matches = anyText(patterns);
  return (subject) => matches(subject.namespace);
}

/** Without an identity nothing matches, not even the empty prefix. */
export function anyPrincipal(patterns: readonly StringMatch[]): Condition {
  const matches = anyText(patterns);
  return ({ principal }) => principal !== undefined && matches(principal);
}

export function anyAccount(accounts: readonly ServiceAccountMatch[]): Condition {
  return (subject) => accounts.some((account) => matchesAccount(account, subject));
}

export function anySource(ranges: readonly AddressRange[]): Condition {
  const matches = anyRange(ranges);
  return (subject) => matches(subject.sourceIp);
}

export function anyDestination(ranges: readonly AddressRange[]): Condition {
  const matches = anyRange(ranges);
  return (subject) => matches(subject.destinationIp);
}

function anyText(patterns: readonly StringMatch[]): (text: string) => boolean {
  return (text) => {
    // `some` would take twice the time, here and below.
    for (const pattern of patterns) if (matchesText(pattern, text)) return true;
    return false;
  };
}

/** A range that cannot be read contains nothing; policies that have been checked have none. */
function anyRange(ranges: readonly AddressRange[]): (ip: IpAddress) => boolean {
  const readable = ranges.map(parseRange).filter((range) => range !== undefined);
  return (ip) => {
    for (const range of readable) if (contains(range, ip)) return true;
    return false;
  };
}
