import type { Certificate } from './certificate.ts';
import { renderSpiffeId, type SpiffeId } from './spiffe-id.ts';

/** Stable names of why a peer is refused; new ones may be added in a minor version. */
export type RefusalCode =
  /** No certificate at all. */
  | 'SPIFFE_PEER_NO_CERTIFICATE'
  /** More certificates, or larger ones, than any honest peer sends. */
  | 'SPIFFE_PEER_TOO_LARGE'
  /** Not DER, not X.509 v3, or an extension that cannot be read. */
  | 'SPIFFE_PEER_MALFORMED'
  /** The leaf's or an authority's key is of a kind or size that is not accepted. */
  | 'SPIFFE_PEER_KEY'
  /** Signed with MD5, SHA-1 or something unknown. */
  | 'SPIFFE_PEER_SIGNATURE_ALGORITHM'
  /** A signature does not verify. */
  | 'SPIFFE_PEER_SIGNATURE'
  /** No way from the leaf to a root. */
  | 'SPIFFE_PEER_UNKNOWN_ISSUER'
  /** Too many ways to try: a chain made to cost time. */
  | 'SPIFFE_PEER_TOO_COMPLEX'
  | 'SPIFFE_PEER_EXPIRED'
  | 'SPIFFE_PEER_NOT_YET_VALID'
  /** keyUsage or extended key usage is there and does not allow this. */
  | 'SPIFFE_PEER_PURPOSE'
  /** A certificate that may not sign others stands where an authority should. */
  | 'SPIFFE_PEER_NOT_AUTHORITY'
  /** The leaf is the certificate of an authority. */
  | 'SPIFFE_PEER_AUTHORITY_AS_LEAF'
  /** More authorities in a row than one of them allows. */
  | 'SPIFFE_PEER_PATH_LENGTH'
  | 'SPIFFE_PEER_CRITICAL_EXTENSION'
  /** An authority's name constraints forbid a name below it, or are of a kind that is not looked into. */
  | 'SPIFFE_PEER_NAME_CONSTRAINTS'
  /** A revocation list of its issuer lists a certificate of the chain. */
  | 'SPIFFE_PEER_REVOKED'
  /** A revocation list in the issuer's name has a bad signature. */
  | 'SPIFFE_PEER_REVOCATION_LIST'
  /** No SPIFFE ID of the own trust domain or one of its aliases. */
  | 'SPIFFE_PEER_TRUST_DOMAIN'
  /** No SPIFFE ID that is expected. */
  | 'SPIFFE_PEER_SAN';

/** Why a peer is not let in. */
export interface Refusal {
  /** Stable (semver). */
  readonly code: RefusalCode;
  /** For people; names what was found. */
  readonly message: string;
  /** The identities that the leaf claims; verified only if `code` is SPIFFE_PEER_TRUST_DOMAIN or SPIFFE_PEER_SAN. */
  readonly presented: readonly SpiffeId[];
  /**
   * As the reference's TLS library writes it: `UnknownIssuer`. It stands in `InvalidCertificate(…)` of a server's log line
   * and behind `invalid peer certificate: ` of a client's; `NoCertificatesPresented` and
   * `InvalidCertRevocationList(…)` stand alone.
   */
  readonly certificateError: string;
  /** Number of the TLS alert that is due. @see RFC 8446 6.2 */
  readonly alert: number;
}

const BAD_CERTIFICATE = 42;
const UNSUPPORTED_CERTIFICATE = 43;
const CERTIFICATE_REVOKED = 44;
const CERTIFICATE_EXPIRED = 45;
const CERTIFICATE_UNKNOWN = 46;
const UNKNOWN_CA = 48;
const DECODE_ERROR = 50;
const DECRYPT_ERROR = 51;
const CERTIFICATE_REQUIRED = 116;

/** Alert and wording of the codes; the wording of some depends on the case. */
const FIXED: Readonly<Record<RefusalCode, readonly [alert: number, certificateError: string]>> = {
  SPIFFE_PEER_NO_CERTIFICATE: [CERTIFICATE_REQUIRED, 'NoCertificatesPresented'],
  SPIFFE_PEER_TOO_LARGE: [DECODE_ERROR, 'BadEncoding'],
  SPIFFE_PEER_MALFORMED: [BAD_CERTIFICATE, 'BadEncoding'],
  SPIFFE_PEER_KEY: [UNSUPPORTED_CERTIFICATE, 'Other(OtherError(UnsupportedSignatureAlgorithmForPublicKey))'],
  SPIFFE_PEER_SIGNATURE_ALGORITHM: [UNSUPPORTED_CERTIFICATE, 'Other(OtherError(UnsupportedSignatureAlgorithm))'],
  SPIFFE_PEER_SIGNATURE: [DECRYPT_ERROR, 'BadSignature'],
  SPIFFE_PEER_UNKNOWN_ISSUER: [UNKNOWN_CA, 'UnknownIssuer'],
  SPIFFE_PEER_TOO_COMPLEX: [BAD_CERTIFICATE, 'Other(OtherError(MaximumSignatureChecksExceeded))'],
  SPIFFE_PEER_EXPIRED: [CERTIFICATE_EXPIRED, 'Expired'],
  SPIFFE_PEER_NOT_YET_VALID: [CERTIFICATE_EXPIRED, 'NotValidYet'],
  SPIFFE_PEER_PURPOSE: [UNSUPPORTED_CERTIFICATE, 'InvalidPurpose'],
  SPIFFE_PEER_NOT_AUTHORITY: [CERTIFICATE_UNKNOWN, 'Other(OtherError(EndEntityUsedAsCa))'],
  SPIFFE_PEER_AUTHORITY_AS_LEAF: [CERTIFICATE_UNKNOWN, 'Other(OtherError(CaUsedAsEndEntity))'],
  SPIFFE_PEER_PATH_LENGTH: [CERTIFICATE_UNKNOWN, 'Other(OtherError(PathLenConstraintViolated))'],
  SPIFFE_PEER_CRITICAL_EXTENSION: [BAD_CERTIFICATE, 'UnhandledCriticalExtension'],
  SPIFFE_PEER_NAME_CONSTRAINTS: [CERTIFICATE_UNKNOWN, 'Other(OtherError(NameConstraintViolation))'],
  SPIFFE_PEER_REVOKED: [CERTIFICATE_REVOKED, 'Revoked'],
  SPIFFE_PEER_REVOCATION_LIST: [CERTIFICATE_UNKNOWN, 'InvalidCertRevocationList(BadSignature)'],
  SPIFFE_PEER_TRUST_DOMAIN: [CERTIFICATE_UNKNOWN, 'Other(OtherError(SanTrustDomainError))'],
  SPIFFE_PEER_SAN: [CERTIFICATE_UNKNOWN, 'Other(OtherError(SanError))'],
};

/** Names in a message; a peer can send thousands. */
const MAX_NAMES = 8;

/** `names`, rendered and joined; of many the first eight and how many more. */
export function listed<T>(names: readonly T[], render: (name: T) => string = String, separator = ', '): string {
  const shown = names.slice(0, MAX_NAMES).map(render);
  if (names.length > MAX_NAMES) shown.push(`and ${names.length - MAX_NAMES} more`);
  return shown.join(separator);
}

/** A refusal with the usual wording of its code, if `certificateError` is absent. */
export function refusal(code: RefusalCode, message: string, certificateError?: string): Refusal {
  const [alert, usual] = FIXED[code];
  return { code, message, presented: [], certificateError: certificateError ?? usual, alert };
}

/** `certificate` has ended before `nowEpochMs`. */
export function expired(certificate: Certificate, nowEpochMs: number): Refusal {
  const { notAfterEpochMs } = certificate;
  return refusal(
    'SPIFFE_PEER_EXPIRED',
    `certificate expired at ${new Date(notAfterEpochMs).toISOString()}`,
    `ExpiredContext { time: ${unixTime(nowEpochMs)}, not_after: ${unixTime(notAfterEpochMs)} }`,
  );
}

/** `certificate` begins after `nowEpochMs`. */
export function notYetValid(certificate: Certificate, nowEpochMs: number): Refusal {
  const { notBeforeEpochMs } = certificate;
  return refusal(
    'SPIFFE_PEER_NOT_YET_VALID',
    `certificate is not valid before ${new Date(notBeforeEpochMs).toISOString()}`,
    `NotValidYetContext { time: ${unixTime(nowEpochMs)}, not_before: ${unixTime(notBeforeEpochMs)} }`,
  );
}

/** None of `presented` is of the trust domain. */
export function foreignTrustDomain(presented: readonly SpiffeId[], trustDomain: string): Refusal {
  const message = `identity verification error: peer did not present the expected trustdomain (${trustDomain}), got ${renderList(presented)}`;
  const ids = listed(presented, debugId);
  const text = `Other(OtherError(SanTrustDomainError(${JSON.stringify(trustDomain)}, [${ids}])))`;
  return { ...refusal('SPIFFE_PEER_TRUST_DOMAIN', message, text), presented };
}

/** None of `presented` is expected. */
export function unexpectedIdentity(presented: readonly SpiffeId[], expected: readonly SpiffeId[]): Refusal {
  const message = `identity verification error: peer did not present the expected SAN (${renderList(expected)}), got ${renderList(presented)}`;
  return { ...refusal('SPIFFE_PEER_SAN', message, `Other(OtherError(${message}))`), presented };
}

function renderList(ids: readonly SpiffeId[]): string {
  return listed(ids, renderSpiffeId, ',');
}

/** As Rust's derived Debug. */
function debugId({ trustDomain, namespace, serviceAccount }: SpiffeId): string {
  return `Spiffe { trust_domain: ${JSON.stringify(trustDomain)}, namespace: ${JSON.stringify(namespace)}, service_account: ${JSON.stringify(serviceAccount)} }`;
}

function unixTime(epochMs: number): string {
  return `UnixTime(${Math.floor(epochMs / 1000)})`;
}
