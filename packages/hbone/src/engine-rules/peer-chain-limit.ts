/**
 * Longest chain, in certificates and in octets, of a peer that is not refused; real ones have two or three of 1 KiB each.
 * OpenSSL takes no certificate message of more than 100 KiB (SSL_MAX_CERT_LIST_DEFAULT) and no path of more than 100.
 */
export const MAX_CHAIN = { certificates: 16, bytes: 65_536 } as const;

/** Why a longer one is refused; in place of what `TlsOptions.verify` would say. */
export const CHAIN_TOO_LONG = 'certificate chain too long';
