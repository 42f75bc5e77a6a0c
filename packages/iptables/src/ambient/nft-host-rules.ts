import { FULL_MASK } from '../core/mark.ts';
import type { NftTable } from '../core/nft-script.ts';
import { IptablesError } from '../errors.ts';
import { NFT_TABLES } from './chain-names.ts';
import { PROBE_SETS } from './probe-set-names.ts';

/** Whom the kubelet runs as where nobody says otherwise. */
export const DEFAULT_KUBELET_UID = 0;
/** Where iptables' own nat table is in this hook: `srcnat` of nft. */
const SOURCE_NAT_PRIORITY = 100;

/**
 * The host rules for nftables (spec section 13). The sets they name are part of the same table and must be there
 * first: flushing the table, as applying does, keeps sets and their elements. Throws `IPTABLES_RULE_INVALID`.
 */
export function buildHostNft(probes: { readonly v4: string; readonly v6?: string }, uid: number): readonly NftTable[] {
  if (!Number.isInteger(uid) || uid < 0 || uid >= FULL_MASK)
    throw new IptablesError('IPTABLES_RULE_INVALID', `kubelet user id ${uid}: want an unsigned 32-bit integer`);
  const chain = 'postrouting';
  const rule = (match: string, set: string, address: string) => ({
    chain,
    text: `meta l4proto tcp skuid ${uid} ${match} @${set} counter snat to ${address}`,
  });
  return [
    {
      family: 'inet',
      name: NFT_TABLES.nat,
      chains: [{ name: chain, hook: { type: 'nat', hook: 'postrouting', priority: SOURCE_NAT_PRIORITY } }],
      rules: [
        rule('ip daddr', PROBE_SETS.v4, probes.v4),
        ...(probes.v6 === undefined ? [] : [rule('ip6 daddr', PROBE_SETS.v6, probes.v6)]),
      ],
    },
  ];
}
