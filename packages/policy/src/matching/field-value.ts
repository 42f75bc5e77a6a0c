import type { ServiceAccountMatch, StringMatch } from '../policy.ts';
import { matchesText } from './string-match.ts';
import type { Subject } from './subject.ts';

/** Compares the namespace of the identity; without one, the empty text (spec policy.md §4.3). */
export function matchesNamespace(pattern: StringMatch, subject: Subject): boolean {
  return matchesText(pattern, subject.namespace);
}

/** Compares the whole identity as text. Without one nothing matches, not even the empty prefix. */
export function matchesPrincipal(pattern: StringMatch, subject: Subject): boolean {
  return subject.principal !== undefined && matchesText(pattern, subject.principal);
}

/** Compares namespace and account of the identity, of whatever trust domain. Without an identity nothing matches. */
export function matchesAccount(account: ServiceAccountMatch, { identity }: Subject): boolean {
  return identity?.namespace === account.namespace && identity.serviceAccount === account.serviceAccount;
}
