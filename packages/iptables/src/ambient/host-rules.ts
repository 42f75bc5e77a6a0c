import { checkOption, SWITCH } from '../core/check-option.ts';
import type { NftTable } from '../core/nft-script.ts';
import type { OwnedRules } from '../core/owned-rules.ts';
import type { Family, RuleSet } from '../core/rule.ts';
import { AMBIENT_HOST_OWNERSHIP } from './ambient-ownership.ts';
import { HOST_CHAIN } from './chain-names.ts';
import { buildHostNft, DEFAULT_KUBELET_UID } from './nft-host-rules.ts';
import { PROBE_SETS } from './probe-set-names.ts';
import { type ProbeSources, parseProbeSource } from './probe-sources.ts';
import { arrangeRows, type RuleRow, TCP } from './rule-rows.ts';

/** What to build; see {@link buildAmbientHostRules}. */
export interface AmbientHostOptions {
  /** Build the IPv6 half. Default true. */
  readonly ipv6?: boolean;
  /** Addresses that probes are to carry; `DEFAULT_PROBE_SOURCES` where absent. */
  readonly probeSources?: ProbeSources;
  /**
   * User id of the kubelet, for nftables only, which knows no "has a socket". Default 0: it runs as root nearly
   * everywhere.
   */
  readonly kubeletUid?: number;
}

/** What a host needs so that probes of pods are told from other traffic, as data. */
export interface AmbientHostRules extends OwnedRules {
  readonly v4: RuleSet;
  /** The same as `v4` and `v6` together, but with the kubelet's user id. */
  readonly nftables: readonly NftTable[];
  /** Names of the sets of pod addresses, which must exist before the rules are applied. */
  readonly probeSets: { readonly v4: string; readonly v6?: string };
}

/**
 * Builds the rules of a host (spec section 3, H1 to H3): what a process of the host, the kubelet above all, sends to a
 * pod of the mesh gets the probe source as its source, which the pod's rules let pass. `v6` is absent with `ipv6: false`.
 * Throws `IPTABLES_RULE_INVALID` for a probe source that is no address of its family and a user id that is none.
 */
export function buildAmbientHostRules(options?: AmbientHostOptions): AmbientHostRules {
  checkOption('ipv6', options?.ipv6, SWITCH);
  const ipv6 = options?.ipv6 ?? true;
  const v4 = parseProbeSource('ipv4', options?.probeSources);
  const v6 = ipv6 ? parseProbeSource('ipv6', options?.probeSources) : undefined;
  const both = v6 === undefined ? { v4 } : { v4, v6 };
  return {
    v4: arrangeRows('ipv4', hostRows('ipv4', v4)),
    ...(v6 === undefined ? {} : { v6: arrangeRows('ipv6', hostRows('ipv6', v6)) }),
    nftables: buildHostNft(both, options?.kubeletUid ?? DEFAULT_KUBELET_UID),
    ownership: AMBIENT_HOST_OWNERSHIP,
    probeSets: ipv6 ? PROBE_SETS : { v4: PROBE_SETS.v4 },
  };
}

/** The jump comes first in POSTROUTING: rules of kube-proxy that masquerade would end the chain before. */
function hostRows(family: Family, address: string): readonly RuleRow[] {
  const set = family === 'ipv4' ? PROBE_SETS.v4 : PROBE_SETS.v6;
  return [
    {
      table: 'nat',
      rule: { chain: 'POSTROUTING', position: 1, matches: [], target: { target: 'jump', chain: HOST_CHAIN } },
    },
    {
      table: 'nat',
      rule: {
        chain: HOST_CHAIN,
        matches: [{ match: 'owner', by: 'socket-exists' }, TCP, { match: 'set', set, directions: ['dst'] }],
        target: { target: 'SNAT', address },
      },
    },
  ];
}
