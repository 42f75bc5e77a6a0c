import type { Rule, StringMatch } from '../policy.ts';

/**
 * Principals without one of which a rule cannot match, since each match of one of its clauses asks for some of them by
 * their exact names. Undefined if there is no such clause.
 */
export function findNeededPrincipals(rule: Rule): ReadonlySet<string> | undefined {
  for (const clause of rule) {
    const lists = clause.map(({ principals }) => principals);
    if (lists.length > 0 && lists.every(isExact)) return new Set(lists.flat().map(({ value }) => value));
  }
  return undefined;
}

/** An absent or empty list admits any principal. */
function isExact(
  patterns: readonly StringMatch[] | undefined,
): patterns is readonly { readonly kind: 'exact'; readonly value: string }[] {
  return patterns !== undefined && patterns.length > 0 && patterns.every(({ kind }) => kind === 'exact');
}
