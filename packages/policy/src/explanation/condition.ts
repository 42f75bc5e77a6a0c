import { contains, parseRange } from '../matching/address-range.ts';
import { matchesAccount, matchesNamespace, matchesPrincipal } from '../matching/field-value.ts';
import type { IpAddress } from '../matching/ip-address.ts';
import type { Subject } from '../matching/subject.ts';
import type { AddressRange, Connection, Match, StringMatch } from '../policy.ts';
import type { FieldName } from './explanation.ts';
import { renderPattern, renderRange } from './render-value.ts';

/** What of a connection a condition looks at. Changing one aspect leaves the conditions on the others as they are. */
export type Aspect = 'identity' | 'sourceIp' | 'destinationIp' | 'destinationPort';

/** A connection ready to be compared, and as it is shown. */
export interface Facts {
  readonly connection: Connection;
  readonly subject: Subject;
}

/** One list of a match, as all of them are used: its values, whether one of them is met, and what they are met by. */
export interface Condition {
  readonly field: FieldName;
  /** Whether it holds if no value is met. */
  readonly negative: boolean;
  readonly aspect: Aspect;
  readonly size: (match: Match) => number;
  /** Whether any value is met. */
  readonly isMet: (match: Match, subject: Subject) => boolean;
  /** The first `limit` values as text. */
  readonly render: (match: Match, limit: number) => string[];
  /** What the connection has, as text. */
  readonly actual: (facts: Facts) => string;
}

/** What of one kind of value is the same in the positive and the negative list. */
interface Kind<V> {
  readonly aspect: Aspect;
  readonly is: (value: V, subject: Subject) => boolean;
  readonly text: (value: V) => string;
  readonly actual: (facts: Facts) => string;
}

/** What is shown of a client without a certificate. */
const NO_IDENTITY = 'none';

const NAMESPACE: Kind<StringMatch> = {
  aspect: 'identity',
  is: matchesNamespace,
  text: renderPattern,
  actual: ({ subject }) => subject.identity?.namespace ?? NO_IDENTITY,
};
const PRINCIPAL: Kind<StringMatch> = {
  aspect: 'identity',
  is: matchesPrincipal,
  text: renderPattern,
  actual: ({ subject }) => subject.principal ?? NO_IDENTITY,
};
const SOURCE_IP: Kind<AddressRange> = {
  aspect: 'sourceIp',
  is: (range, subject) => isIn(range, subject.sourceIp),
  text: renderRange,
  actual: ({ connection }) => connection.sourceIp,
};
const DESTINATION_IP: Kind<AddressRange> = {
  aspect: 'destinationIp',
  is: (range, subject) => isIn(range, subject.destinationIp),
  text: renderRange,
  actual: ({ connection }) => connection.destinationIp,
};
const PORT: Kind<number> = {
  aspect: 'destinationPort',
  is: (port, subject) => port === subject.destinationPort,
  text: String,
  actual: ({ connection }) => String(connection.destinationPort),
};
const ACCOUNT: Kind<NonNullable<Match['serviceAccounts']>[number]> = {
  aspect: 'identity',
  is: matchesAccount,
  text: (account) => `${account.namespace}/${account.serviceAccount}`,
  actual: ({ subject: { identity } }) =>
    identity === undefined ? NO_IDENTITY : `${identity.namespace}/${identity.serviceAccount}`,
};

/** Every condition that a match can have, in the order of spec policy.md §1. */
export const CONDITIONS: readonly Condition[] = [
  condition('namespaces', NAMESPACE, (match) => match.namespaces),
  condition('notNamespaces', NAMESPACE, (match) => match.notNamespaces),
  condition('principals', PRINCIPAL, (match) => match.principals),
  condition('notPrincipals', PRINCIPAL, (match) => match.notPrincipals),
  condition('sourceIps', SOURCE_IP, (match) => match.sourceIps),
  condition('notSourceIps', SOURCE_IP, (match) => match.notSourceIps),
  condition('destinationIps', DESTINATION_IP, (match) => match.destinationIps),
  condition('notDestinationIps', DESTINATION_IP, (match) => match.notDestinationIps),
  condition('destinationPorts', PORT, (match) => match.destinationPorts),
  condition('notDestinationPorts', PORT, (match) => match.notDestinationPorts),
  condition('serviceAccounts', ACCOUNT, (match) => match.serviceAccounts),
  condition('notServiceAccounts', ACCOUNT, (match) => match.notServiceAccounts),
];

function condition<V>(field: FieldName, kind: Kind<V>, pick: (match: Match) => readonly V[] | undefined): Condition {
  return {
    field,
    negative: field.startsWith('not'),
    aspect: kind.aspect,
    size: (match) => pick(match)?.length ?? 0,
    isMet: (match, subject) => pick(match)?.some((value) => kind.is(value, subject)) ?? false,
    render: (match, limit) => (pick(match) ?? []).slice(0, limit).map((value) => kind.text(value)),
    actual: kind.actual,
  };
}

/** A range that is none contains nothing. */
function isIn(range: AddressRange, ip: IpAddress): boolean {
  const parsed = parseRange(range);
  return parsed !== undefined && contains(parsed, ip);
}
