import { constants, createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import type { Credentials, CredentialsSource, Engine } from '../engine.ts';
import { HboneError } from '../errors.ts';

/** hbone.md §1.1 */
const CIPHER_SUITES = 'TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256';
/** hbone.md §1.1, in order of preference; OpenSSL before 3.5 lacks the hybrid group. */
const GROUPS = ['X25519:P-256:P-384:X25519MLKEM768', 'X25519:P-256:P-384'] as const;
/** What the reference accepts, in its order: nothing with SHA-1 or SHA-224. */
const SIGNATURE_SCHEMES = [
  'ecdsa_secp384r1_sha384',
  'ecdsa_secp256r1_sha256',
  'ecdsa_secp521r1_sha512',
  'ed25519',
  'rsa_pss_rsae_sha512',
  'rsa_pss_rsae_sha384',
  'rsa_pss_rsae_sha256',
  'rsa_pkcs1_sha512',
  'rsa_pkcs1_sha384',
  'rsa_pkcs1_sha256',
].join(':');
/** Bit 19 of OpenSSL's options, for which Node has no name: an extension of TLS 1.2 that would be offered for nothing. */
const SSL_OP_NO_ENCRYPT_THEN_MAC = 0x80000;
/** Which of `GROUPS` this OpenSSL takes; tried once. */
let groups: string | undefined;

/** Credentials as a context of `node:tls`. */
export class NodeCredentials implements Credentials {
  readonly engine: Engine;
  readonly context: SecureContext;

  /** Throws HBONE_CREDENTIALS_INVALID when the certificate, the key or a root cannot be read or do not belong together. */
  constructor(engine: Engine, source: CredentialsSource) {
    this.engine = engine;
    try {
      // OpenSSL skips what is no certificate, and then trusts nobody.
      if (!source.rootsPem.some((pem) => pem.includes('-----BEGIN'))) throw new Error('no root');
      this.context = createSecureContext({
        ...parameters(),
        cert: source.chainPem,
        key: source.privateKeyPem,
        ca: [...source.rootsPem],
      });
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : String(cause);
      throw new HboneError(
        'HBONE_CREDENTIALS_INVALID',
        `certificate, key or roots not usable: ${unusablePart(source ?? {})} (${text})`,
        { cause },
      );
    }
  }
}

/** Which part of credentials that were refused is to blame. */
function unusablePart({ chainPem, privateKeyPem, rootsPem }: Partial<CredentialsSource>): string {
  const parts: readonly (readonly [string, () => unknown])[] = [
    ['chainPem is no certificate in PEM', () => new X509Certificate(chainPem ?? '')],
    ['privateKeyPem is no key in PEM', () => createPrivateKey(privateKeyPem ?? '')],
    ['rootsPem is no list of certificates in PEM', () => (rootsPem?.length ? rootsPem : ['']).map(certificate)],
  ];
  for (const [fault, read] of parts)
    try {
      read();
    } catch {
      return fault;
    }
  return 'chainPem and privateKeyPem do not belong together, or are not usable';
}

function certificate(pem: string): X509Certificate {
  return new X509Certificate(pem);
}

/** hbone.md §1.1 */
function parameters(): SecureContextOptions {
  return {
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ciphers: CIPHER_SUITES,
    ecdhCurve: (groups ??= supportedGroups()),
    sigalgs: SIGNATURE_SCHEMES,
    secureOptions: constants.SSL_OP_NO_TICKET | SSL_OP_NO_ENCRYPT_THEN_MAC,
  };
}

let empty: SecureContext | undefined;

/** A context of the same parameters that has neither certificate nor roots. */
export function emptyContext(): SecureContext {
  return (empty ??= createSecureContext({ ...parameters(), ca: [] }));
}

function supportedGroups(): string {
  for (const candidate of GROUPS) {
    try {
      createSecureContext({ ecdhCurve: candidate });
      return candidate;
    } catch {
      // The next one is a subset that every OpenSSL 3 has.
    }
  }
  return GROUPS[1];
}
