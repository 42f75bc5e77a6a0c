/** Our chain for packets that come in; in mangle, nat and raw. */
export const INBOUND_CHAIN = 'ISTIO_PRERT';
/** Our chain for packets made in the pod; in mangle, nat and raw. */
export const OUTBOUND_CHAIN = 'ISTIO_OUTPUT';
/** The host's chain in nat, for probes on their way to pods. */
export const HOST_CHAIN = 'ISTIO_POSTRT';

/** Before the name of the table of iptables that has the same rules. */
export const NFT_TABLE_PREFIX = 'istio-ambient-';
/** Tables of the nftables form, of family `inet`. */
export const NFT_TABLES = {
  nat: `${NFT_TABLE_PREFIX}nat`,
  mangle: `${NFT_TABLE_PREFIX}mangle`,
  raw: `${NFT_TABLE_PREFIX}raw`,
} as const;
