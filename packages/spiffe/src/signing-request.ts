import { KeyObject, webcrypto } from 'node:crypto';
import { checkedSpiffeUri, type SpiffeId } from './spiffe-id.ts';
import { loadX509 } from './x509-library.ts';

/** Keys that workloads may have. */
export type WorkloadKeyType = 'P-256' | 'P-384' | 'RSA-2048' | 'RSA-3072' | 'RSA-4096';

const RSA = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: new Uint8Array([1, 0, 1]) };
/** What is generated, and the hash of the request's signature. */
const KEY_TYPES = {
  'P-256': { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  'P-384': { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
  'RSA-2048': { ...RSA, modulusLength: 2_048 },
  'RSA-3072': { ...RSA, modulusLength: 3_072 },
  'RSA-4096': { ...RSA, modulusLength: 4_096 },
} as const satisfies Record<
  WorkloadKeyType,
  { readonly hash: string } & (webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams)
>;

/** How to make a key. */
export interface KeyOptions {
  /** P-256 if absent, as the reference; RSA 4096 takes a second to make. */
  readonly keyType?: WorkloadKeyType;
}

/** A new private key and the request to certify it. */
export interface KeyAndCsr {
  /** PKCS#8. */
  readonly privateKeyPem: string;
  /** PKCS#10. */
  readonly csrPem: string;
}

/**
 * Makes a key and a signing request with an empty subject and one extension: a critical SAN with the URI
 * of `id`. Throws SPIFFE_ID_INVALID.
 */
export async function createKeyAndCsr(id: SpiffeId, options: KeyOptions = {}): Promise<KeyAndCsr> {
  const uri = checkedSpiffeUri(id);
  const { Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } = await loadX509();
  const algorithm = KEY_TYPES[options.keyType ?? 'P-256'];
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const csr = await Pkcs10CertificateRequestGenerator.create({
    signingAlgorithm: algorithm,
    keys,
    extensions: [new SubjectAlternativeNameExtension([{ type: 'url', value: uri }], true)],
  });
  return { privateKeyPem: renderPrivateKey(keys.privateKey), csrPem: `${csr.toString('pem')}\n` };
}

/** PKCS#8 PEM of an extractable key. */
export function renderPrivateKey(key: webcrypto.CryptoKey): string {
  return KeyObject.from(key).export({ type: 'pkcs8', format: 'pem' }).toString();
}
