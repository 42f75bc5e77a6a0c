import type { Certificate } from './certificate.ts';
import { KeyUsage } from './certificate-extensions.ts';
import { expired, listed, notYetValid, type Refusal, refusal } from './peer-refusal.ts';

/** What the peer is in TLS: a client's certificate must serve for client authentication, a server's for the server's. */
export type PeerUsage = 'client' | 'server';

/** When a certificate must be valid. */
export interface Validity {
  readonly nowEpochMs: number;
  /** How far the clocks of issuer and verifier may differ, in milliseconds. */
  readonly clockSkewMs: number;
}

/** The place a certificate is judged for. */
export interface CertificatePlace extends Validity {
  readonly usage: PeerUsage;
  /** Of an authority: how many others lie between it and the leaf, those of the same name not counted. Undefined: a leaf. */
  readonly authoritiesBelow?: number;
}

const SECOND_MS = 1_000;
/** id-kp-clientAuth and id-kp-serverAuth, RFC 5280 4.2.1.12, with the reference's names. */
const PURPOSES = {
  client: { id: '1.3.6.1.5.5.7.3.2', name: 'ClientAuth' },
  server: { id: '1.3.6.1.5.5.7.3.1', name: 'ServerAuth' },
} as const;

/** What forbids `certificate` in this place, apart from its signature and its names. */
export function certificateProblem(certificate: Certificate, place: CertificatePlace): Refusal | undefined {
  return (
    extensionProblem(certificate) ??
    dateProblem(certificate, place) ??
    (place.authoritiesBelow === undefined
      ? leafProblem(certificate)
      : authorityProblem(certificate, place.authoritiesBelow)) ??
    purposeProblem(certificate, place.usage) ??
    (certificate.keyKind === undefined ? refusal('SPIFFE_PEER_KEY', 'a key is weak or of an unknown kind') : undefined)
  );
}

function extensionProblem({ anchor, extensions: { unknownCritical } }: Certificate): Refusal | undefined {
  if (anchor || unknownCritical.length === 0) return undefined;
  return refusal('SPIFFE_PEER_CRITICAL_EXTENSION', `critical extension ${listed(unknownCritical)} is unknown`);
}

/** Both ends are part of the lifetime, and certificates count in seconds (RFC 5280 4.1.2.5). */
function dateProblem(certificate: Certificate, { nowEpochMs, clockSkewMs }: Validity): Refusal | undefined {
  const now = Math.floor(nowEpochMs / SECOND_MS) * SECOND_MS;
  // Written so that NaN is refused.
  if (!(now + clockSkewMs >= certificate.notBeforeEpochMs)) return notYetValid(certificate, nowEpochMs);
  return now - clockSkewMs <= certificate.notAfterEpochMs ? undefined : expired(certificate, nowEpochMs);
}

function leafProblem({ extensions }: Certificate): Refusal | undefined {
  if (extensions.authority)
    return refusal('SPIFFE_PEER_AUTHORITY_AS_LEAF', "the leaf is an authority's own certificate");
  if (!allows(extensions.keyUsage, KeyUsage.digitalSignature))
    return refusal('SPIFFE_PEER_PURPOSE', "the leaf's keyUsage lacks digitalSignature");
  return undefined;
}

function authorityProblem({ extensions }: Certificate, authoritiesBelow: number): Refusal | undefined {
  if (!extensions.authority)
    return refusal('SPIFFE_PEER_NOT_AUTHORITY', 'signed by a certificate that is no authority');
  if (!allows(extensions.keyUsage, KeyUsage.keyCertSign))
    return refusal('SPIFFE_PEER_PURPOSE', "an authority's keyUsage lacks keyCertSign");
  if (extensions.pathLength !== undefined && extensions.pathLength < authoritiesBelow)
    return refusal(
      'SPIFFE_PEER_PATH_LENGTH',
      `more than ${extensions.pathLength} authorities below one that forbids it`,
    );
  return undefined;
}

/** An absent keyUsage allows everything. */
function allows(keyUsage: number | undefined, bit: number): boolean {
  return keyUsage === undefined || (keyUsage & bit) !== 0;
}

function purposeProblem({ extensions }: Certificate, usage: PeerUsage): Refusal | undefined {
  const { extendedKeyUsages } = extensions;
  const required = PURPOSES[usage];
  if (extendedKeyUsages === undefined || extendedKeyUsages.includes(required.id)) return undefined;
  const presented = listed(extendedKeyUsages, purposeName);
  return refusal(
    'SPIFFE_PEER_PURPOSE',
    `certificate is for [${presented}] and not for ${required.name}`,
    `InvalidPurposeContext { required: ${required.name}, presented: [${presented}] }`,
  );
}

function purposeName(id: string): string {
  const known = Object.values(PURPOSES).find((purpose) => purpose.id === id);
  return known?.name ?? `Other([${id.split('.').join(', ')}])`;
}
