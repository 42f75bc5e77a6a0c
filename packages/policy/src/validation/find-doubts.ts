import { policyKey } from '../evaluation/policy-key.ts';
import { unmapRange } from '../matching/address-range.ts';
import type { AddressRange, Match, Policy, StringMatch } from '../policy.ts';
import type { Problem } from '../problem.ts';

const FOR_ALL = 'is empty: it applies to the whole mesh, as with scope Global';

/** What is right, but hardly does what was meant: warnings with paths in the form of `Policy`. */
export function findDoubts(policy: Policy): readonly Problem[] {
  const doubts: Problem[] = [];
  const doubt = (path: string, message: string): void => void doubts.push({ severity: 'warning', path, message });
  // Objects have one; where something is read as it comes, it is more often forgotten than meant.
  if (policy.namespace === '' && policy.scope !== 'Global')
    doubt(
      'namespace',
      policy.scope === 'Namespace' ? FOR_ALL : `is empty: workloads have to name ${policyKey(policy)}`,
    );
  if (policy.action === 'Deny' && policy.rules.length === 0)
    doubt('rules', 'a DENY policy without rules has no effect');
  for (const [rule, clauses] of policy.rules.entries())
    for (const [clause, matches] of clauses.entries())
      for (const [index, match] of matches.entries()) {
        const path = `rules[${rule}][${clause}][${index}]`;
        // Conversion makes them, of clauses that have HTTP attributes alone.
        if (Object.keys(match).length === 0 && policy.source === undefined)
          doubt(path, 'a match without conditions never matches; a clause without matches always does');
        for (const field of PRINCIPALS) doubtPatterns(match[field], `${path}.${field}`, doubt);
        for (const field of RANGES) doubtRanges(match[field], `${path}.${field}`, doubt);
      }
  return doubts;
}

type Doubt = (path: string, message: string) => void;

const PRINCIPALS = ['principals', 'notPrincipals'] as const satisfies readonly (keyof Match)[];
const RANGES = [
  'sourceIps',
  'notSourceIps',
  'destinationIps',
  'notDestinationIps',
] as const satisfies readonly (keyof Match)[];

function doubtPatterns(patterns: readonly StringMatch[] | undefined, path: string, doubt: Doubt): void {
  for (const [index, pattern] of (patterns ?? []).entries())
    if (pattern.kind !== 'presence' && pattern.value.includes('spiffe://'))
      doubt(`${path}[${index}]`, 'nobody has this principal: they are compared without spiffe://');
}

function doubtRanges(ranges: readonly AddressRange[] | undefined, path: string, doubt: Doubt): void {
  for (const [index, range] of (ranges ?? []).entries())
    if (unmapRange(range) !== undefined)
      doubt(`${path}[${index}]`, 'no connection is in this range: write it as IPv4, as addresses of connections are');
}
