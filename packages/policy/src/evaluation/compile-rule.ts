import { contains, type IpRange, parseRange } from '../matching/address-range.ts';
import { matchesAccount, matchesNamespace, matchesPrincipal } from '../matching/field-value.ts';
import type { Subject } from '../matching/subject.ts';
import type { AddressRange, Clause, Match, Rule } from '../policy.ts';

/** Whether a connection is as a rule, or a part of one, wants it. */
export type Condition = (subject: Subject) => boolean;

/**
 * Makes a rule ready for comparing with many connections: all of its clauses have to hold (spec policy.md §4.2). A rule
 * without clauses holds for everything.
 */
export function compileRule(rule: Rule): Condition {
  return rule.length === 0 ? always : rule.map(compileClause).reduce(both);
}

/** Any match suffices; but a clause without matches holds for everything. */
function compileClause(clause: Clause): Condition {
  return clause.length === 0 ? always : clause.map(compileMatch).reduce(either);
}

/** All fields have to hold; but a match without any value matches nothing, for what was meant is unknown. */
function compileMatch(match: Match): Condition {
  const conditions = [
    // The cheapest first, as the first that fails ends it.
    ...compileField(match.destinationPorts, match.notDestinationPorts, matchesPort),
    ...compileField(match.namespaces, match.notNamespaces, matchesNamespace),
    ...compileField(match.principals, match.notPrincipals, matchesPrincipal),
    ...compileField(match.serviceAccounts, match.notServiceAccounts, matchesAccount),
    ...compileField(readRanges(match.sourceIps), readRanges(match.notSourceIps), matchesSource),
    ...compileField(readRanges(match.destinationIps), readRanges(match.notDestinationIps), matchesDestination),
  ];
  return conditions.length === 0 ? never : conditions.reduce(both);
}

/** The conditions of a field and of its `not` field; an empty list is none. */
function compileField<Value>(
  wanted: readonly Value[] | undefined,
  unwanted: readonly Value[] | undefined,
  matches: (value: Value, subject: Subject) => boolean,
): Condition[] {
  const conditions: Condition[] = [];
  if (wanted !== undefined && wanted.length > 0) conditions.push(anyOf(wanted, matches));
  if (unwanted !== undefined && unwanted.length > 0) conditions.push(not(anyOf(unwanted, matches)));
  return conditions;
}

function anyOf<Value>(values: readonly Value[], matches: (value: Value, subject: Subject) => boolean): Condition {
  return (subject) => {
    // `some` would take twice the time.
    for (const value of values) if (matches(value, subject)) return true;
    return false;
  };
}

function matchesPort(port: number, subject: Subject): boolean {
  return port === subject.destinationPort;
}

/** Read once, not for each connection. One that cannot be read contains nothing; policies that have been checked have none. */
function readRanges(ranges: readonly AddressRange[] | undefined): readonly (IpRange | undefined)[] | undefined {
  return ranges?.map(parseRange);
}

function matchesSource(range: IpRange | undefined, subject: Subject): boolean {
  return range !== undefined && contains(range, subject.sourceIp);
}

function matchesDestination(range: IpRange | undefined, subject: Subject): boolean {
  return range !== undefined && contains(range, subject.destinationIp);
}

const always: Condition = () => true;
const never: Condition = () => false;

function not(condition: Condition): Condition {
  return (subject) => !condition(subject);
}

function both(first: Condition, second: Condition): Condition {
  return (subject) => first(subject) && second(subject);
}

function either(first: Condition, second: Condition): Condition {
  return (subject) => first(subject) || second(subject);
}
