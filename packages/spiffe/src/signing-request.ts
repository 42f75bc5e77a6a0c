import { KeyObject, webcrypto } from 'node:crypto';
import { checkedSpiffeUri, type SpiffeId } from './spiffe-id.ts';
import { loadX509 } from './x509-library.ts';

const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' };
const SIGNING_ALGORITHM = { name: 'ECDSA', hash: 'SHA-256' };

/** A new private key and the request to certify it. */
export interface KeyAndCsr {
  /** PKCS#8. */
  readonly privateKeyPem: string;
  /** PKCS#10. */
  readonly csrPem: string;
}

/**
 * Makes a key (ECDSA P-256) and a signing request with an empty subject and one extension: a critical SAN with the URI
 * of `id`. Throws SPIFFE_ID_INVALID.
 */
export async function createKeyAndCsr(id: SpiffeId): Promise<KeyAndCsr> {
  const uri = checkedSpiffeUri(id);
  const { Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } = await loadX509();
  const keys = await webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
  const csr = await Pkcs10CertificateRequestGenerator.create({
    signingAlgorithm: SIGNING_ALGORITHM,
    keys,
    extensions: [new SubjectAlternativeNameExtension([{ type: 'url', value: uri }], true)],
  });
  return { privateKeyPem: renderPrivateKey(keys.privateKey), csrPem: `${csr.toString('pem')}\n` };
}

/** PKCS#8 PEM of an extractable key. */
export function renderPrivateKey(key: webcrypto.CryptoKey): string {
  return KeyObject.from(key).export({ type: 'pkcs8', format: 'pem' }).toString();
}
