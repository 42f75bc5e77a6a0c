import type { Ownership } from '../core/ownership.ts';
import { HOST_CHAIN, INBOUND_CHAIN, NFT_TABLES, OUTBOUND_CHAIN } from './chain-names.ts';

const POD_CHAINS = [INBOUND_CHAIN, OUTBOUND_CHAIN] as const;

/** The ambient chains of a pod, in every table that some release or option uses them in. */
export const AMBIENT_POD_OWNERSHIP: Ownership = {
  chains: { mangle: POD_CHAINS, nat: POD_CHAINS, raw: POD_CHAINS },
  nftTables: [NFT_TABLES.nat, NFT_TABLES.mangle, NFT_TABLES.raw].map((name) => ({ family: 'inet', name })),
};

/** The host's chain. In nftables the probe sets are part of the table, but only `ProbeSets.destroy` takes them. */
export const AMBIENT_HOST_OWNERSHIP: Ownership = {
  chains: { nat: [HOST_CHAIN] },
  nftTables: [{ family: 'inet', name: NFT_TABLES.nat, keepSets: true }],
};
