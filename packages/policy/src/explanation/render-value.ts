import type { AddressRange, ServiceAccountMatch, SourceIdentity, StringMatch } from '../policy.ts';

/** A pattern as text: `cluster.local/ns/a/sa/b`, `prefix cluster.local/`, `suffix /sa/b`; `any` for presence. */
export function renderPattern(pattern: StringMatch): string {
  if (pattern.kind === 'presence') return 'any';
  const value = pattern.value === '' ? '""' : pattern.value;
  return pattern.kind === 'exact' ? value : `${pattern.kind} ${value}`;
}

/** `10.0.0.0/8`, as it is written in the policy. */
export function renderRange(range: AddressRange): string {
  return `${range.address}/${range.length}`;
}

/** `cluster.local/ns/a/sa/b`: an identity as policies name it. */
export function renderIdentity(identity: SourceIdentity): string {
  return `${identity.trustDomain}/ns/${identity.namespace}/sa/${identity.serviceAccount}`;
}

/** `namespace/account`, as it is written in the policy. */
export function renderAccount({ namespace, serviceAccount }: ServiceAccountMatch): string {
  return `${namespace}/${serviceAccount}`;
}
