import type { SourceIdentity } from '../policy.ts';

const PRINCIPAL = /^(?:spiffe:\/\/)?([^/\s]+)\/ns\/([^/\s]+)\/sa\/([^/\s]+)$/;

/** `TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT`, with or without `spiffe://` as certificates have it; undefined for anything else. */
export function parsePrincipal(text: string): SourceIdentity | undefined {
  // Stryker disable next-line ArrayDeclaration: the whole match, which comes first, is not used
  const [, trustDomain, namespace, serviceAccount] = PRINCIPAL.exec(text) ?? [];
  // Stryker disable next-line all: either all three are undefined or none
  if (trustDomain === undefined || namespace === undefined || serviceAccount === undefined) return undefined;
  return { trustDomain, namespace, serviceAccount };
}
