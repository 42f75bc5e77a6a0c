/* Numbers of OpenSSL 3's headers, where they are macros: part of its ABI. */

/** `SSL_CTX_ctrl`, `SSL_ctrl`: ssl.h */
export const SSL_CTRL_MODE = 33;
export const SSL_CTRL_SET_SESS_CACHE_MODE = 44;
export const SSL_CTRL_SET_TLSEXT_STATUS_REQ_TYPE = 65;
export const SSL_CTRL_CLEAR_MODE = 78;
export const SSL_CTRL_CHAIN_CERT = 89;
export const SSL_CTRL_SET_GROUPS_LIST = 92;
export const SSL_CTRL_SET_SIGALGS_LIST = 98;
export const SSL_CTRL_SET_MIN_PROTO_VERSION = 123;
export const SSL_CTRL_SET_MAX_PROTO_VERSION = 124;

export const TLS1_3_VERSION = 0x304;
export const TLSEXT_STATUSTYPE_OCSP = 1;
export const SSL_SESS_CACHE_OFF = 0;

export const SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER = 0x2;
/** After a message that is no data (KeyUpdate) `SSL_read` reads on, as long as there are more; without it, it returns. */
export const SSL_MODE_AUTO_RETRY = 0x4;
/** The chain is sent as it was given; what completes it is not looked for among the roots. */
export const SSL_MODE_NO_AUTO_CHAIN = 0x8;
export const SSL_MODE_RELEASE_BUFFERS = 0x10;

export const SSL_OP_NO_TICKET = 0x4000;
/** Brotli of our own chain costs more than the rest of the handshake (data-path.md). Bits 32 and 33. */
export const SSL_OP_NO_TX_CERTIFICATE_COMPRESSION = 2 ** 32;
export const SSL_OP_NO_RX_CERTIFICATE_COMPRESSION = 2 ** 33;

export const SSL_VERIFY_PEER = 1;
export const SSL_VERIFY_FAIL_IF_NO_PEER_CERT = 2;

/** Answers of `SSL_get_error`. */
export const SSL_ERROR_SSL = 1;
export const SSL_ERROR_WANT_READ = 2;
export const SSL_ERROR_WANT_WRITE = 3;
export const SSL_ERROR_ZERO_RETURN = 6;

/** Of `SSL_get_shutdown`. */
export const SSL_RECEIVED_SHUTDOWN = 2;

/** Answers of an ALPN callback. */
export const SSL_TLSEXT_ERR_OK = 0;
export const SSL_TLSEXT_ERR_ALERT_FATAL = 2;

export const SSL_KEY_UPDATE_REQUESTED = 1;

/** `EVP_CIPHER_CTX_ctrl`: evp.h */
export const EVP_CTRL_AEAD_GET_TAG = 0x10;
export const EVP_CTRL_AEAD_SET_TAG = 0x11;

/** err.h: an error is `library << 23 | reason`. */
export const ERR_LIB_SSL = 20;
export const ERR_LIB_SHIFT = 23;
export const ERR_LIB_MASK = 0xff;
export const ERR_REASON_MASK = 0x7f_ffff;
/** ssl.h: reasons from here on are alerts that were received. */
export const SSL_AD_REASON_OFFSET = 1000;

/** x509_vfy.h: results that this package sets. OpenSSL derives the alert from them. */
export const X509_V_OK = 0;
export const X509_V_ERR_CERT_SIGNATURE_FAILURE = 7;
export const X509_V_ERR_CERT_NOT_YET_VALID = 9;
export const X509_V_ERR_CERT_HAS_EXPIRED = 10;
export const X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY = 20;
export const X509_V_ERR_CERT_REVOKED = 23;
export const X509_V_ERR_INVALID_PURPOSE = 26;
export const X509_V_ERR_CERT_REJECTED = 28;
/** One of those that OpenSSL knows no alert for: it sends certificate_unknown. */
export const X509_V_ERR_INVALID_EXTENSION = 41;
export const X509_V_ERR_APPLICATION_VERIFICATION = 50;

/** Names of the results, as `node:tls` has them; others are UNSPECIFIED. */
export const VERIFY_RESULT_NAMES: Readonly<Record<number, string>> = {
  2: 'UNABLE_TO_GET_ISSUER_CERT',
  3: 'UNABLE_TO_GET_CRL',
  4: 'UNABLE_TO_DECRYPT_CERT_SIGNATURE',
  5: 'UNABLE_TO_DECRYPT_CRL_SIGNATURE',
  6: 'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY',
  7: 'CERT_SIGNATURE_FAILURE',
  8: 'CRL_SIGNATURE_FAILURE',
  9: 'CERT_NOT_YET_VALID',
  10: 'CERT_HAS_EXPIRED',
  11: 'CRL_NOT_YET_VALID',
  12: 'CRL_HAS_EXPIRED',
  13: 'ERROR_IN_CERT_NOT_BEFORE_FIELD',
  14: 'ERROR_IN_CERT_NOT_AFTER_FIELD',
  17: 'OUT_OF_MEM',
  18: 'DEPTH_ZERO_SELF_SIGNED_CERT',
  19: 'SELF_SIGNED_CERT_IN_CHAIN',
  20: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  21: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  22: 'CERT_CHAIN_TOO_LONG',
  23: 'CERT_REVOKED',
  24: 'INVALID_CA',
  25: 'PATH_LENGTH_EXCEEDED',
  26: 'INVALID_PURPOSE',
  27: 'CERT_UNTRUSTED',
  28: 'CERT_REJECTED',
  62: 'HOSTNAME_MISMATCH',
};
