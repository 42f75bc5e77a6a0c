/* What every engine's TLS offers and accepts: hbone.md §1.1. Lists as OpenSSL takes them, the preferred one first. */

/** Of TLS 1.3, the only version. */
export const CIPHER_SUITES = 'TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256';

/** Key exchange; the first of these lists that an OpenSSL takes: before 3.5 it lacks the hybrid group. */
export const GROUP_LISTS = ['X25519:P-256:P-384:X25519MLKEM768', 'X25519:P-256:P-384'] as const;

/** What the reference accepts, in its order: nothing with SHA-1 or SHA-224. */
export const SIGNATURE_SCHEMES = [
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

/** The one protocol of both ends (ALPN). */
export const ALPN_PROTOCOL = 'h2';

/** Bit 19 of OpenSSL's options, for which Node has no name: an extension of TLS 1.2 that would be offered for nothing. */
export const SSL_OP_NO_ENCRYPT_THEN_MAC = 0x80000;

/** A record with a fatal decode_error alert: what a peer hears that spoke HTTP. RFC 8446 6 */
export const DECODE_ERROR_ALERT: Readonly<Uint8Array> = Uint8Array.of(21, 3, 3, 0, 2, 2, 50);
