import { identitiesOf } from './peer-identity.ts';
import { renderSpiffeId, type SpiffeId, sameSpiffeId } from './spiffe-id.ts';

/** Why a peer with a valid chain is not let in. */
export interface Refusal {
  readonly code: 'SPIFFE_PEER_SAN' | 'SPIFFE_PEER_TRUST_DOMAIN';
  /** The text for the log. */
  readonly message: string;
  /** The identities the peer did present. */
  readonly presented: readonly SpiffeId[];
}

/**
 * What a server checks of a client's leaf (DER) once TLS has checked chain, dates and extended key usage: one of its
 * SPIFFE SANs must be of the server's own trust domain. No aliases. Undefined means accepted.
 */
export function verifyClientPeer(leafDer: Uint8Array, ownTrustDomain: string): Refusal | undefined {
  const presented = identitiesOf(leafDer);
  if (presented.some((id) => id.trustDomain === ownTrustDomain)) return undefined;
  const message = `identity verification error: peer did not present the expected trustdomain (${ownTrustDomain}), got ${renderList(presented)}`;
  return { code: 'SPIFFE_PEER_TRUST_DOMAIN', message, presented };
}

/**
 * What a client checks of a server's leaf (DER) once TLS has checked chain, dates and extended key usage: one of its
 * SPIFFE SANs must be one of `expected`. An empty list matches nobody. Undefined means accepted.
 */
export function verifyServerPeer(leafDer: Uint8Array, expected: readonly SpiffeId[]): Refusal | undefined {
  const presented = identitiesOf(leafDer);
  if (presented.some((id) => expected.some((want) => sameSpiffeId(id, want)))) return undefined;
  const message = `identity verification error: peer did not present the expected SAN (${renderList(expected)}), got ${renderList(presented)}`;
  return { code: 'SPIFFE_PEER_SAN', message, presented };
}

function renderList(ids: readonly SpiffeId[]): string {
  return ids.map((id) => renderSpiffeId(id)).join(',');
}
