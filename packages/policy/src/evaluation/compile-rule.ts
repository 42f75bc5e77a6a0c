import { contains, type IpRange, parseRange } from '../matching/address-range.ts';
import { matchesAccount, matchesNamespace, matchesPrincipal } from '../matching/field-value.ts';
import type { Subject } from '../matching/subject.ts';
import type { AddressRange, Clause, Match, Rule, ServiceAccountMatch, StringMatch } from '../policy.ts';

/** Whether a connection is as a rule, or a part of one, wants it. */
export type Condition = (subject: Subject) => boolean;

/**
 * Makes a rule ready for comparing with many connections: all of its clauses have to hold (spec policy.md §4.2). A rule
 * without clauses holds for everything. However long a rule is, it is walked in loops: calls would nest too deep.
 */
export function compileRule(rule: Rule): Condition {
  const conditions: Condition[] = [];
  for (const clause of rule) for (const condition of compileClause(clause)) conditions.push(condition);
  return all(conditions);
}

/** All of the conditions have to hold. Any match of a clause suffices; but one without matches holds for everything. */
function compileClause(clause: Clause): readonly Condition[] {
  const [only] = clause;
  // Stryker disable next-line all: any of the one match would say the same, one call deeper
  if (only !== undefined && clause.length === 1) return compileMatch(only);
  return clause.length === 0 ? [] : [any(clause.map((match) => all(compileMatch(match))))];
}

/** All fields have to hold; but a match without any value matches nothing, for what was meant is unknown. */
function compileMatch(match: Match): readonly Condition[] {
  const conditions = [
    // The cheapest first, as the first that fails ends it.
    ...compileField(match.destinationPorts, match.notDestinationPorts, anyPort),
    ...compileField(match.namespaces, match.notNamespaces, anyNamespace),
    ...compileField(match.principals, match.notPrincipals, anyPrincipal),
    ...compileField(match.serviceAccounts, match.notServiceAccounts, anyAccount),
    ...compileField(match.sourceIps, match.notSourceIps, anySource),
    ...compileField(match.destinationIps, match.notDestinationIps, anyDestination),
  ];
  return conditions.length === 0 ? [never] : conditions;
}

/** The conditions of a field and of its `not` field; an empty list is none. */
function compileField<Value>(
  wanted: readonly Value[] | undefined,
  unwanted: readonly Value[] | undefined,
  anyOf: (values: readonly Value[]) => Condition,
): Condition[] {
  const conditions: Condition[] = [];
  if (wanted !== undefined && wanted.length > 0) conditions.push(anyOf(wanted));
  if (unwanted !== undefined && unwanted.length > 0) conditions.push(not(anyOf(unwanted)));
  return conditions;
}

// Each kind of value has a loop of its own, and no `some`: the engine inlines a comparison only where it is always the same.

function anyPort(ports: readonly number[]): Condition {
  return ({ destinationPort }) => ports.includes(destinationPort);
}

function anyNamespace(patterns: readonly StringMatch[]): Condition {
  const [exact, others] = splitPatterns(patterns);
  return (subject) => {
    if (exact.has(subject.namespace)) return true;
    for (const pattern of others) if (matchesNamespace(pattern, subject)) return true;
    return false;
  };
}

function anyPrincipal(patterns: readonly StringMatch[]): Condition {
  const [exact, others] = splitPatterns(patterns);
  return (subject) => {
    if (exact.has(subject.principal)) return true;
    for (const pattern of others) if (matchesPrincipal(pattern, subject)) return true;
    return false;
  };
}

const NO_TEXTS: ReadonlySet<string> = new Set();

/** The texts to look up, and the patterns to compare. */
function splitPatterns(
  patterns: readonly StringMatch[],
): readonly [exact: ReadonlySet<string | undefined>, others: readonly StringMatch[]] {
  const exact = patterns.filter(isExact).map(({ value }) => value);
  // Stryker disable next-line all: exact ones among them would be compared in vain
  const others = patterns.filter(({ kind }) => kind !== 'exact');
  // Stryker disable next-line all: an empty set of its own would cost memory alone
  return [exact.length === 0 ? NO_TEXTS : new Set(exact), others];
}

function isExact(pattern: StringMatch): pattern is { readonly kind: 'exact'; readonly value: string } {
  return pattern.kind === 'exact';
}

function anyAccount(accounts: readonly ServiceAccountMatch[]): Condition {
  return (subject) => {
    for (const account of accounts) if (matchesAccount(account, subject)) return true;
    return false;
  };
}

function anySource(ranges: readonly AddressRange[]): Condition {
  const parsed = readRanges(ranges);
  return ({ sourceIp }) => {
    for (const range of parsed) if (contains(range, sourceIp)) return true;
    return false;
  };
}

function anyDestination(ranges: readonly AddressRange[]): Condition {
  const parsed = readRanges(ranges);
  return ({ destinationIp }) => {
    for (const range of parsed) if (contains(range, destinationIp)) return true;
    return false;
  };
}

/** Read once, not for each connection. One that cannot be read contains nothing; policies that have been checked have none. */
function readRanges(ranges: readonly AddressRange[]): readonly IpRange[] {
  return ranges.map(parseRange).filter((range) => range !== undefined);
}

const never: Condition = () => false;

function not(condition: Condition): Condition {
  return (subject) => !condition(subject);
}

function all(conditions: readonly Condition[]): Condition {
  const [only] = conditions;
  // Stryker disable next-line all: the loop would say the same, in twice the time
  if (only !== undefined && conditions.length === 1) return only;
  return (subject) => {
    for (const condition of conditions) if (!condition(subject)) return false;
    return true;
  };
}

function any(conditions: readonly Condition[]): Condition {
  return (subject) => {
    for (const condition of conditions) if (condition(subject)) return true;
    return false;
  };
}
