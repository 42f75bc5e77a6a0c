import { contains, parseRange } from '../matching/address-range.ts';
import { matchesAccount, matchesNamespace, matchesPrincipal } from '../matching/field-value.ts';
import type { IpAddress } from '../matching/ip-address.ts';
import type { Subject } from '../matching/subject.ts';
import type { AddressRange, Clause, Match, Rule } from '../policy.ts';

/** Whether a connection is as a rule, or a part of one, wants it. */
export type Condition = (subject: Subject) => boolean;

/** Makes a rule ready for comparing with many connections: all of its clauses have to hold (spec policy.md §4.2). */
export function compileRule(rule: Rule): Condition {
  return allOf(rule.map(compileClause));
}

/** Any match suffices; but a clause without matches holds for everything. */
function compileClause(clause: Clause): Condition {
  return clause.length === 0 ? () => true : anyOf(clause.map(compileMatch));
}

/** All fields have to hold; but a match without any value matches nothing, for what was meant is unknown. */
function compileMatch(match: Match): Condition {
  const conditions = [
    // The cheapest first, as the first that fails ends it.
    ...compileField(match.destinationPorts, match.notDestinationPorts, matchesPort),
    ...compileField(match.serviceAccounts, match.notServiceAccounts, matchesAccount),
    ...compileField(match.namespaces, match.notNamespaces, matchesNamespace),
    ...compileField(match.principals, match.notPrincipals, matchesPrincipal),
    ...compileRanges(match.sourceIps, match.notSourceIps, (subject) => subject.sourceIp),
    ...compileRanges(match.destinationIps, match.notDestinationIps, (subject) => subject.destinationIp),
  ];
  return conditions.length === 0 ? () => false : allOf(conditions);
}

/** The conditions of a field and of its `not` field: none for an empty list. */
function compileField<Value>(
  wanted: readonly Value[] = [],
  unwanted: readonly Value[] = [],
  matches: (value: Value, subject: Subject) => boolean,
): Condition[] {
  const conditions: Condition[] = [];
  if (wanted.length > 0) conditions.push((subject) => wanted.some((value) => matches(value, subject)));
  if (unwanted.length > 0) conditions.push((subject) => !unwanted.some((value) => matches(value, subject)));
  return conditions;
}

function compileRanges(
  wanted: readonly AddressRange[] = [],
  unwanted: readonly AddressRange[] = [],
  ipOf: (subject: Subject) => IpAddress,
): Condition[] {
  return compileField(wanted.map(parseRange), unwanted.map(parseRange), (range, subject) => {
    // A range that cannot be read contains nothing. Checked policies have none.
    return range !== undefined && contains(range, ipOf(subject));
  });
}

function matchesPort(port: number, subject: Subject): boolean {
  return port === subject.destinationPort;
}

function allOf(conditions: readonly Condition[]): Condition {
  const [only] = conditions;
  if (only !== undefined && conditions.length === 1) return only;
  return (subject) => conditions.every((condition) => condition(subject));
}

function anyOf(conditions: readonly Condition[]): Condition {
  const [only] = conditions;
  if (only !== undefined && conditions.length === 1) return only;
  return (subject) => conditions.some((condition) => condition(subject));
}
