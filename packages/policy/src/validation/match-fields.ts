import type { Match } from '../policy.ts';

/** What the values of a field of a match are. */
export type MatchValueKind = 'pattern' | 'range' | 'port' | 'account';

/** The fields of a match, in the order of spec policy.md §1, and what their values are. */
export const MATCH_FIELDS = new Map<keyof Match, MatchValueKind>([
  ['namespaces', 'pattern'],
  ['notNamespaces', 'pattern'],
  ['principals', 'pattern'],
  ['notPrincipals', 'pattern'],
  ['sourceIps', 'range'],
  ['notSourceIps', 'range'],
  ['destinationIps', 'range'],
  ['notDestinationIps', 'range'],
  ['destinationPorts', 'port'],
  ['notDestinationPorts', 'port'],
  ['serviceAccounts', 'account'],
  ['notServiceAccounts', 'account'],
]);
