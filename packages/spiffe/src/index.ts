export {
  CertificateAuthority,
  type CertificateAuthorityOptions,
  type IssuedCertificate,
  type ServerNames,
  type SignOptions,
} from './certificate-authority.ts';
export type { CertificateSpec, DistinguishedName } from './certificate-template.ts';
export { SpiffeError, type SpiffeErrorCode } from './errors.ts';
export { identitiesOf, peerIdentity, uriNamesOf } from './peer-identity.ts';
export type { Refusal, RefusalCode } from './peer-refusal.ts';
export { verifyClientPeer, verifyServerPeer } from './peer-verification.ts';
export { PresentedChain } from './presented-chain.ts';
export { RevocationLists } from './revocation-lists.ts';
export { createKeyAndCsr, type KeyAndCsr, type KeyOptions, type WorkloadKeyType } from './signing-request.ts';
export { parseSpiffeId, renderSpiffeId, type SpiffeId, sameSpiffeId } from './spiffe-id.ts';
export { type TlsIdentity, tlsOptions } from './tls-options.ts';
export { TrustBundle } from './trust-bundle.ts';
export {
  isRefusal,
  type PeerExpectation,
  type PeerVerification,
  type VerifiedPeer,
  verifyPeer,
} from './verify-peer.ts';
export {
  parseWorkloadCertificate,
  type WorkloadCertificate,
  type WorkloadCertificateAnswer,
} from './workload-certificate.ts';
