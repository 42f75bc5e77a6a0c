import type { webcrypto } from 'node:crypto';
import { SpiffeError } from './errors.ts';
import { loadX509 } from './x509-library.ts';

/** A request for an RSA 8192 key with generous names is below 8 KiB. */
const MAX_CSR_CHARS = 16_384;
const MIN_RSA_BITS = 2_048;
const BEGIN = /-----BEGIN /g;
const CURVES: readonly string[] = ['P-256', 'P-384'];

/**
 * The public key of a signing request (PEM, PKCS#10) whose own signature verifies. ECDSA P-256 and P-384, Ed25519 and
 * RSA from 2048 bits are accepted. Throws SPIFFE_CSR_INVALID.
 */
export async function readSigningRequest(csrPem: string): Promise<webcrypto.CryptoKey> {
  if (csrPem.length > MAX_CSR_CHARS)
    throw new SpiffeError('SPIFFE_CSR_INVALID', `signing request has more than ${MAX_CSR_CHARS} characters`);
  if (csrPem.match(BEGIN)?.length !== 1)
    throw new SpiffeError('SPIFFE_CSR_INVALID', 'signing request: want exactly one PEM block');
  let key: webcrypto.CryptoKey;
  let verified: boolean;
  try {
    const { Pkcs10CertificateRequest } = await loadX509();
    const request = new Pkcs10CertificateRequest(csrPem);
    verified = await request.verify();
    key = await request.publicKey.export();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SpiffeError('SPIFFE_CSR_INVALID', `signing request cannot be read: ${why}`, { cause });
  }
  if (!verified) throw new SpiffeError('SPIFFE_CSR_INVALID', 'signing request: its signature does not verify');
  if (!isStrongKey(key.algorithm))
    throw new SpiffeError(
      'SPIFFE_CSR_INVALID',
      `signing request: key ${JSON.stringify(key.algorithm)} is not accepted`,
    );
  return key;
}

function isStrongKey(algorithm: webcrypto.KeyAlgorithm): boolean {
  if (algorithm.name === 'Ed25519') return true;
  if ('namedCurve' in algorithm) return algorithm.name === 'ECDSA' && CURVES.includes(String(algorithm.namedCurve));
  return 'modulusLength' in algorithm && Number(algorithm.modulusLength) >= MIN_RSA_BITS;
}
