import type { Clause, Match, Rule } from '../policy.ts';
import {
  anyAccount,
  anyDestination,
  anyNamespace,
  anyPort,
  anyPrincipal,
  anySource,
  type Condition,
} from './compile-values.ts';

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
    ...compileField(match.destinationPorts, match.notDestinationPorts, anyPort),
    ...compileField(match.namespaces, match.notNamespaces, anyNamespace),
    ...compileField(match.principals, match.notPrincipals, anyPrincipal),
    ...compileField(match.serviceAccounts, match.notServiceAccounts, anyAccount),
    ...compileField(match.sourceIps, match.notSourceIps, anySource),
    ...compileField(match.destinationIps, match.notDestinationIps, anyDestination),
  ];
  return conditions.length === 0 ? never : conditions.reduce(both);
}

/** The conditions of a field and of its `not` field; an empty list is none. */
function compileField<Value>(
  wanted: readonly Value[] = [],
  unwanted: readonly Value[] = [],
  anyOf: (values: readonly Value[]) => Condition,
): Condition[] {
  const conditions: Condition[] = [];
  if (wanted.length > 0) conditions.push(anyOf(wanted));
  if (unwanted.length > 0) conditions.push(not(anyOf(unwanted)));
  return conditions;
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
