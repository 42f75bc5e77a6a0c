import { identitiesOf } from './peer-identity.ts';
import { foreignTrustDomain, type Refusal, unexpectedIdentity } from './peer-refusal.ts';
import { type SpiffeId, sameSpiffeId } from './spiffe-id.ts';

/**
 * What a server checks of a client's leaf (DER) once TLS has checked chain, dates and extended key usage: one of its
 * SPIFFE SANs must be of the server's own trust domain. No aliases. Undefined means accepted.
 */
export function verifyClientPeer(leafDer: Uint8Array, ownTrustDomain: string): Refusal | undefined {
  return checkTrustDomain(identitiesOf(leafDer), ownTrustDomain, []);
}

/**
 * What a client checks of a server's leaf (DER) once TLS has checked chain, dates and extended key usage: one of its
 * SPIFFE SANs must be one of `expected`. An empty list matches nobody. Undefined means accepted.
 */
export function verifyServerPeer(leafDer: Uint8Array, expected: readonly SpiffeId[]): Refusal | undefined {
  return checkIdentities(identitiesOf(leafDer), expected);
}

/** Whether one of `presented` is of the own trust domain or of an alias of it. */
export function checkTrustDomain(
  presented: readonly SpiffeId[],
  trustDomain: string,
  aliases: readonly string[],
): Refusal | undefined {
  const accepted = presented.some((id) => id.trustDomain === trustDomain || aliases.includes(id.trustDomain));
  return accepted ? undefined : foreignTrustDomain(presented, trustDomain);
}

/** Whether one of `presented` is one of `expected`. */
export function checkIdentities(presented: readonly SpiffeId[], expected: readonly SpiffeId[]): Refusal | undefined {
  const accepted = presented.some((id) => expected.some((want) => sameSpiffeId(id, want)));
  return accepted ? undefined : unexpectedIdentity(presented, expected);
}
