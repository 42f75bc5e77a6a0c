import type { X509Certificate } from 'node:crypto';
import type { ConnectionFailure } from '../engine.ts';

/**
 * What OpenSSL reports about TLS, in the words that operators of the reference know (hbone.md §4, the table of
 * TLS failures; ztunnel.md §11.1). The server's are shown behind `tls handshake error: `, the client's behind `io error: `.
 */
export type TlsRole = 'client' | 'server';

/** Text for a handshake that the peer left without a word. */
const HANDSHAKE_EOF = 'tls handshake eof';

/** What `certificateError` is where a revocation list is at fault, and not the certificate. */
const REVOCATION_LIST_ERROR = /^InvalidCertRevocationList\((.*)\)$/;
/** Verification results of OpenSSL that mean "no path to a trusted root". */
const UNKNOWN_ISSUER: ReadonlySet<string> = new Set([
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'CERT_UNTRUSTED',
  'INVALID_CA',
]);

/** Errors of our own handshake code, by OpenSSL's reason. */
const LOCAL_REASONS: Readonly<Record<string, string>> = {
  PEER_DID_NOT_RETURN_A_CERTIFICATE: 'NoCertificatesPresented',
  UNSUPPORTED_PROTOCOL: 'PeerIncompatible(SupportedVersionsExtensionRequired)',
  NO_APPLICATION_PROTOCOL: 'NoApplicationProtocol',
  NO_SHARED_CIPHER: 'PeerIncompatible(NoCipherSuitesInCommon)',
  NO_SUITABLE_KEY_SHARE: 'PeerIncompatible(NoKxGroupsInCommon)',
  NO_SUITABLE_GROUPS: 'PeerIncompatible(NoKxGroupsInCommon)',
  HTTP_REQUEST: 'InvalidMessage(InvalidContentType)',
  HTTPS_PROXY_REQUEST: 'InvalidMessage(InvalidContentType)',
  WRONG_VERSION_NUMBER: 'InvalidMessage(InvalidContentType)',
  PACKET_LENGTH_TOO_LONG: 'InvalidMessage(InvalidContentType)',
  BAD_RECORD_TYPE: 'InvalidMessage(InvalidContentType)',
  UNEXPECTED_MESSAGE: 'InvalidMessage(InvalidContentType)',
};

/** Alerts by number. RFC 8446 6.2, in the reference's spelling. */
const ALERTS: Readonly<Record<number, string>> = {
  10: 'UnexpectedMessage',
  20: 'BadRecordMac',
  40: 'HandshakeFailure',
  42: 'BadCertificate',
  43: 'UnsupportedCertificate',
  44: 'CertificateRevoked',
  45: 'CertificateExpired',
  46: 'CertificateUnknown',
  47: 'IllegalParameter',
  48: 'UnknownCA',
  49: 'AccessDenied',
  50: 'DecodeError',
  51: 'DecryptError',
  70: 'ProtocolVersion',
  71: 'InsufficientSecurity',
  80: 'InternalError',
  109: 'MissingExtension',
  112: 'UnrecognizedName',
  116: 'CertificateRequired',
  120: 'NoApplicationProtocol',
};

const KEY_PURPOSES: Readonly<Record<string, string>> = {
  '1.3.6.1.5.5.7.3.1': 'ServerAuth',
  '1.3.6.1.5.5.7.3.2': 'ClientAuth',
};

/** TLS failed here, before or after the handshake: `reason` as OpenSSL names it, for example `NO_SHARED_CIPHER`. */
export function localFailure(role: TlsRole, reason: string): ConnectionFailure {
  return refused(role, LOCAL_REASONS[reason] ?? `General("${reason.toLowerCase().replaceAll('_', ' ')}")`);
}

/** The peer sent a fatal alert. RFC 8446 6.2 */
export function alertFailure(role: TlsRole, number: number): ConnectionFailure {
  return refused(role, alertText(role, number));
}

/** The socket under TLS failed. */
export function carrierFailure(role: TlsRole, failure: ConnectionFailure): ConnectionFailure {
  if (failure.code !== 'ECONNRESET' || role === 'client') return failure;
  return { code: failure.code, message: resetDebug(failure.message) };
}

/** Whether `reason` (as for `localFailure`) says that the peer spoke HTTP: OpenSSL recognises it, and sends no alert then. */
export function isPlainHttp(reason: string): boolean {
  return reason === 'HTTP_REQUEST' || reason === 'HTTPS_PROXY_REQUEST';
}

/** The peer's chain did not verify; `code` is OpenSSL's name of the result. */
export function chainFailure(role: TlsRole, code: string, leaf: X509Certificate | undefined): ConnectionFailure {
  return invalidCertificate(role, chainText(role, code, leaf));
}

/** The chain is valid and `TlsOptions.verify` refused it. */
export function verificationFailure(
  role: TlsRole,
  reason: string | { readonly certificateError: string },
): ConnectionFailure {
  return invalidCertificate(
    role,
    typeof reason === 'string' ? `Other(OtherError(${reason}))` : reason.certificateError,
  );
}

/** The peer closed the connection in the middle of the handshake. */
export function handshakeEnd(role: TlsRole): ConnectionFailure {
  const message = role === 'server' ? `Custom { kind: UnexpectedEof, error: "${HANDSHAKE_EOF}" }` : HANDSHAKE_EOF;
  return { code: 'ECONNRESET', message };
}

/** The handshake was not done in time. */
export function handshakeTimeout(ms: number): ConnectionFailure {
  return { code: 'TLS', message: `handshake not finished within ${ms} ms` };
}

function invalidCertificate(role: TlsRole, text: string): ConnectionFailure {
  const list = REVOCATION_LIST_ERROR.exec(text)?.[1];
  if (list !== undefined && role === 'server') return refused(role, text);
  if (list !== undefined) return { code: 'TLS', message: `invalid certificate revocation list: ${list}` };
  if (role === 'server') return refused(role, `InvalidCertificate(${text})`);
  return { code: 'TLS', message: `invalid peer certificate: ${text}` };
}

function chainText(role: TlsRole, code: string, leaf: X509Certificate | undefined): string {
  if (UNKNOWN_ISSUER.has(code)) return 'UnknownIssuer';
  const now = Math.floor(Date.now() / 1000);
  switch (code) {
    case 'CERT_HAS_EXPIRED':
      return `ExpiredContext { time: UnixTime(${now}), not_after: UnixTime(${seconds(leaf?.validTo)}) }`;
    case 'CERT_NOT_YET_VALID':
      return `NotValidYetContext { time: UnixTime(${now}), not_before: UnixTime(${seconds(leaf?.validFrom)}) }`;
    case 'INVALID_PURPOSE': {
      const required = role === 'server' ? 'ClientAuth' : 'ServerAuth';
      const presented = (leaf?.keyUsage ?? []).map((oid) => KEY_PURPOSES[oid] ?? `Other(${oid})`).join(', ');
      return `InvalidPurposeContext { required: ${required}, presented: [${presented}] }`;
    }
    case 'CERT_REVOKED':
      return 'Revoked';
    case 'CERT_SIGNATURE_FAILURE':
      return 'BadSignature';
    default:
      return `Other(${code})`;
  }
}

function alertText(role: TlsRole, number: number): string {
  const name = ALERTS[number] ?? `Unknown(${number})`;
  return role === 'server' ? `AlertReceived(${name})` : `received fatal alert: ${name}`;
}

function refused(role: TlsRole, text: string): ConnectionFailure {
  return { code: 'TLS', message: role === 'server' ? `Custom { kind: InvalidData, error: ${text} }` : text };
}

function resetDebug(text: string): string {
  return `Os { code: 104, kind: ConnectionReset, message: "${text.replace(/ \(os error.*/, '')}" }`;
}

function seconds(date: string | undefined): number {
  return date === undefined ? 0 : Math.floor(Date.parse(date) / 1000);
}
