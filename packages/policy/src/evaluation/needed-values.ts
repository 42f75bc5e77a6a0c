import type { AddressRange, Clause, Match, Rule, StringMatch } from '../policy.ts';

/** What a connection must have for a rule to match; of several, one. */
export type NeededValue =
  | { readonly kind: 'principal'; readonly pattern: StringMatch }
  | { readonly kind: 'namespace'; readonly namespace: string }
  | { readonly kind: 'sourceIp' | 'destinationIp'; readonly range: AddressRange };

/**
 * Values without one of which a rule cannot match, since each match of one of its clauses asks for some of them. Of several
 * such clauses, one whose values can be looked up. Undefined if there is no such clause.
 */
export function findNeededValues(rule: Rule): readonly NeededValue[] | undefined {
  let needed: readonly NeededValue[] | undefined;
  for (const clause of rule) {
    const values = listNeeded(clause);
    if (values?.every(isExact)) return values;
    needed ??= values;
  }
  return needed;
}

/** Whether a connection that has this value can be found by it. */
export function isExact(value: NeededValue): boolean {
  return value.kind === 'namespace' || (value.kind === 'principal' && value.pattern.kind === 'exact');
}

/** Undefined if a match asks for none, or if there is no match, so that the clause holds for everything. */
function listNeeded(clause: Clause): readonly NeededValue[] | undefined {
  const values: NeededValue[] = [];
  for (const match of clause) {
    const ofMatch = pickList(match);
    if (ofMatch.length === 0) return undefined;
    for (const value of ofMatch) values.push(value);
  }
  return values.length === 0 ? undefined : values;
}

/** The values of a list that the match has, the one that is compared fastest. Without any: none. */
function pickList(match: Match): readonly NeededValue[] {
  const { principals = [], serviceAccounts = [], namespaces, sourceIps = [], destinationIps = [] } = match;
  const lists: readonly (readonly NeededValue[])[] = [
    principals.map((pattern) => ({ kind: 'principal', pattern })),
    serviceAccounts.map(({ namespace }) => ({ kind: 'namespace', namespace })),
    namespaces?.every(isExactText) ? namespaces.map(({ value }) => ({ kind: 'namespace', namespace: value })) : [],
    sourceIps.map((range) => ({ kind: 'sourceIp', range })),
    destinationIps.map((range) => ({ kind: 'destinationIp', range })),
  ];
  return lists.find((list) => list.length > 0) ?? [];
}

function isExactText(pattern: StringMatch): pattern is { readonly kind: 'exact'; readonly value: string } {
  return pattern.kind === 'exact';
}
