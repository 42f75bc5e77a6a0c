import { createPrivateKey, type X509Certificate } from 'node:crypto';
import { SpiffeError } from './errors.ts';
import { uriNamesOf } from './peer-identity.ts';
import { readPemCertificates } from './pem-blocks.ts';
import { parseSpiffeId, renderSpiffeId, type SpiffeId, sameSpiffeId } from './spiffe-id.ts';
import { canonicalPem, TrustBundle } from './trust-bundle.ts';

/** What a workload shows to its peers and whom it trusts: the answer of a certificate authority, checked. */
export interface WorkloadCertificate {
  /** PKCS#8. */
  readonly privateKeyPem: string;
  /** Leaf, then intermediates; what a TLS endpoint sends. */
  readonly chainPem: string;
  /** Trust anchors for its peers, one PEM text each. */
  readonly rootsPem: readonly string[];
  /** Why parts of the root bundle were left out; worth a warning in the log. */
  readonly skippedRoots: readonly string[];
  readonly identity: SpiffeId;
  /** Of the leaf, decimal. */
  readonly serialNumber: string;
  readonly notBeforeEpochMs: number;
  readonly notAfterEpochMs: number;
  /** Half of the lifetime: when to ask for the next one. */
  readonly renewAtEpochMs: number;
}

/** The parts of an answer of `CreateCertificate` and what was asked. */
export interface WorkloadCertificateAnswer {
  /** Of the request, PKCS#8. */
  readonly privateKeyPem: string;
  /** PEM texts: leaf, intermediates, and last the root bundle. */
  readonly chain: readonly string[];
  /** The identity asked for; the first URI SAN of the leaf must be it. */
  readonly expected: SpiffeId;
}

/**
 * Checks an answer of the certificate authority. Dates are read, not judged. Throws SPIFFE_CERTIFICATE_INVALID,
 * SPIFFE_ROOT_MISSING, SPIFFE_KEY_MISMATCH or SPIFFE_SAN_UNEXPECTED; the messages are the ones of the reference.
 */
export function parseWorkloadCertificate(answer: WorkloadCertificateAnswer): WorkloadCertificate {
  const [leafPem, ...rest] = answer.chain;
  const rootBundle = rest.pop();
  const leaf = readOne(leafPem ?? '', `leaf for ${renderSpiffeId(answer.expected)}`);
  const intermediates = rest.map((pem, index) => readOne(pem, `intermediate ${index + 1}`));
  const roots = readRoots(rootBundle);
  checkKey(leaf, answer.privateKeyPem);
  checkIdentity(leaf, answer.expected);
  const notBeforeEpochMs = leaf.validFromDate.getTime();
  const notAfterEpochMs = leaf.validToDate.getTime();
  return {
    privateKeyPem: answer.privateKeyPem,
    chainPem: [leaf, ...intermediates].map(canonicalPem).join(''),
    rootsPem: roots.roots,
    skippedRoots: roots.skipped,
    identity: answer.expected,
    serialNumber: decimalSerial(leaf.serialNumber),
    notBeforeEpochMs,
    notAfterEpochMs,
    renewAtEpochMs: notBeforeEpochMs + (notAfterEpochMs - notBeforeEpochMs) / 2,
  };
}

function readOne(pem: string, what: string): X509Certificate {
  const { certificates, skipped } = readPemCertificates(pem);
  const [certificate] = certificates;
  if (certificate === undefined || certificates.length + skipped.length !== 1) {
    const why = skipped.length > 0 ? skipped.join('; ') : `found ${certificates.length} certificates instead of 1`;
    throw new SpiffeError('SPIFFE_CERTIFICATE_INVALID', `failed to create CSR: invalid ${what}: ${why}`);
  }
  return certificate;
}

function readRoots(bundle: string | undefined): TrustBundle {
  try {
    return TrustBundle.parse(bundle ?? '');
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SpiffeError('SPIFFE_ROOT_MISSING', `failed to create CSR: ${why}`, { cause });
  }
}

function checkKey(leaf: X509Certificate, privateKeyPem: string): void {
  const problem = 'failed to create CSR: the leaf is not for the private key of the request';
  let matches: boolean;
  try {
    matches = leaf.checkPrivateKey(createPrivateKey(privateKeyPem));
  } catch (cause) {
    throw new SpiffeError('SPIFFE_KEY_MISMATCH', problem, { cause });
  }
  if (!matches) throw new SpiffeError('SPIFFE_KEY_MISMATCH', problem);
}

function checkIdentity(leaf: X509Certificate, expected: SpiffeId): void {
  const [first] = uriNamesOf(leaf.raw);
  const identity = first === undefined ? undefined : parseSpiffeId(first);
  if (identity === undefined || !sameSpiffeId(identity, expected))
    throw new SpiffeError('SPIFFE_SAN_UNEXPECTED', `did not find expected SAN: ${renderSpiffeId(expected)}`);
}

/** Node writes a negative serial, which RFC 5280 forbids and OpenSSL accepts, with a leading minus. */
function decimalSerial(hex: string): string {
  return hex.startsWith('-') ? `-${BigInt(`0x${hex.slice(1)}`)}` : BigInt(`0x${hex}`).toString();
}
