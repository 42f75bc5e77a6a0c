import { randomBytes, type webcrypto } from 'node:crypto';
import type { Extension, JsonGeneralName } from '@peculiar/x509';
import { SpiffeError } from './errors.ts';
import { loadX509, type X509Library } from './x509-library.ts';

const SIGNING_ALGORITHM = { name: 'ECDSA', hash: 'SHA-256' };
/** 128 bits, at the reference's size; RFC 5280 4.1.2.2 allows up to 20 bytes. */
const SERIAL_BYTES = 16;
const REVOCATION_LIST_VALIDITY_MS = 30 * 24 * 3_600_000;

/** A distinguished name, one object per component: `[{ O: ['cluster.local'] }]`. */
export type DistinguishedName = readonly { readonly [attribute: string]: string[] }[];

/** What a certificate says. Everything left out is absent from the certificate as well, if not stated otherwise. */
export interface CertificateSpec {
  readonly notBeforeEpochMs: number;
  readonly notAfterEpochMs: number;
  /** Empty if absent. */
  readonly subject?: DistinguishedName;
  readonly uris?: readonly string[];
  readonly dnsNames?: readonly string[];
  /** In text form. */
  readonly ips?: readonly string[];
  /** Extended key usages of a leaf; both if absent, no such extension if empty. */
  readonly usages?: readonly ('serverAuth' | 'clientAuth')[];
  /** May sign other certificates. */
  readonly authority?: boolean;
}

/** The name and the key certificates are signed with. */
export interface Signer {
  readonly subject: DistinguishedName;
  readonly keys: webcrypto.CryptoKeyPair;
  readonly notAfterEpochMs: number;
}

/** From when to when a certificate is valid. */
export type Lifetime = Pick<CertificateSpec, 'notBeforeEpochMs' | 'notAfterEpochMs'>;

/**
 * `lifetime`, ending no later than the signer's own certificate.
 * Throws SPIFFE_SIGNING_REFUSED if nothing is left of it or the signer has expired.
 */
export function checkedLifetime(signer: Signer, lifetime: Lifetime, nowEpochMs: number): Lifetime {
  if (signer.notAfterEpochMs <= nowEpochMs)
    throw new SpiffeError(
      'SPIFFE_SIGNING_REFUSED',
      `the authority's own certificate expired at ${renderTime(signer.notAfterEpochMs)}`,
    );
  const notAfterEpochMs = Math.min(lifetime.notAfterEpochMs, signer.notAfterEpochMs);
  // Written so that NaN is refused as well.
  if (!(lifetime.notBeforeEpochMs < notAfterEpochMs))
    throw new SpiffeError(
      'SPIFFE_SIGNING_REFUSED',
      'a certificate must end after it begins (is the validity positive?)',
    );
  return { ...lifetime, notAfterEpochMs };
}

/** Signs a certificate for `publicKey`; the result is PEM with a line break at its end. */
export async function createCertificate(
  signer: Signer,
  publicKey: webcrypto.CryptoKey,
  spec: CertificateSpec,
): Promise<string> {
  const x509 = await loadX509();
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject: mutableName(spec.subject ?? []),
    issuer: mutableName(signer.subject),
    notBefore: new Date(spec.notBeforeEpochMs),
    notAfter: new Date(spec.notAfterEpochMs),
    publicKey,
    signingKey: signer.keys.privateKey,
    signingAlgorithm: SIGNING_ALGORITHM,
    extensions: [
      ...(spec.authority === true ? authorityExtensions(x509) : leafExtensions(x509, spec)),
      ...(spec.authority === true ? [await x509.SubjectKeyIdentifierExtension.create(publicKey)] : []),
      await x509.AuthorityKeyIdentifierExtension.create(signer.keys.publicKey),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}

/** Signs a revocation list; the result is PEM with a line break at its end. Serial numbers in hexadecimal. */
export async function createRevocationList(
  signer: Signer,
  serialNumbers: readonly string[],
  nowEpochMs: number,
): Promise<string> {
  const x509 = await loadX509();
  const list = await x509.X509CrlGenerator.create({
    issuer: mutableName(signer.subject),
    thisUpdate: new Date(nowEpochMs),
    nextUpdate: new Date(nowEpochMs + REVOCATION_LIST_VALIDITY_MS),
    // Without a reason the library writes an empty list of extensions, which RFC 5280 5.1.2.6 forbids.
    entries: serialNumbers.map((serialNumber) => ({ serialNumber, reason: x509.X509CrlReason.privilegeWithdrawn })),
    extensions: [await x509.AuthorityKeyIdentifierExtension.create(signer.keys.publicKey)],
    signingAlgorithm: SIGNING_ALGORITHM,
    signingKey: signer.keys.privateKey,
  });
  // The library's own label, `CRL`, is read by nobody else (RFC 7468 7).
  return `${x509.PemConverter.encode(list.rawData, 'X509 CRL')}\n`;
}

function authorityExtensions(x509: X509Library): Extension[] {
  return [
    new x509.BasicConstraintsExtension(true, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
  ];
}

function leafExtensions(x509: X509Library, spec: CertificateSpec): Extension[] {
  const { digitalSignature, keyEncipherment } = x509.KeyUsageFlags;
  const extensions: Extension[] = [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(digitalSignature | keyEncipherment, true),
  ];
  const usages = spec.usages ?? ['serverAuth', 'clientAuth'];
  if (usages.length > 0)
    extensions.push(new x509.ExtendedKeyUsageExtension(usages.map((usage) => x509.ExtendedKeyUsage[usage])));
  const names: JsonGeneralName[] = [
    ...(spec.uris ?? []).map((value) => ({ type: 'url', value }) as const),
    ...(spec.dnsNames ?? []).map((value) => ({ type: 'dns', value }) as const),
    ...(spec.ips ?? []).map((value) => ({ type: 'ip', value }) as const),
  ];
  // RFC 5280 4.1.2.6: critical where the subject is empty.
  if (names.length > 0) extensions.push(new x509.SubjectAlternativeNameExtension(names, spec.subject === undefined));
  return extensions;
}

/** RFC 5280 4.1.2.2: positive, and never zero. */
function randomSerial(): string {
  const bytes = randomBytes(SERIAL_BYTES);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

function mutableName(name: DistinguishedName): { [attribute: string]: string[] }[] {
  return name.map((component) => ({ ...component }));
}

function renderTime(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
