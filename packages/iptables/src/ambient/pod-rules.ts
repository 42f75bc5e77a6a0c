import { checkOption, SWITCH } from '../core/check-option.ts';
import { translateToNft } from '../core/nft/translate-to-nft.ts';
import type { NftTable } from '../core/nft-script.ts';
import type { OwnedRules, PolicyRouting } from '../core/owned-rules.ts';
import type { Family, RuleSet } from '../core/rule.ts';
import { AMBIENT_POD_OWNERSHIP } from './ambient-ownership.ts';
import { NFT_TABLE_PREFIX } from './chain-names.ts';
import { AMBIENT_POLICY_ROUTING } from './marks.ts';
import { buildRedirectNft } from './nft-pod-rules.ts';
import { familyAddresses, type PodCapture } from './pod-capture.ts';
import { CAPTURE_MODES, type CaptureMode, podRows } from './pod-rows.ts';
import { type ProbeSources, parseProbeSource } from './probe-sources.ts';
import { arrangeRows } from './rule-rows.ts';
import { checkVirtualInterfaces } from './virtual-interfaces.ts';

/** What to build; see {@link buildAmbientPodRules}. */
export interface AmbientPodOptions {
  /** `tproxy`: inbound by TPROXY in mangle; `redirect`: inbound by REDIRECT in nat. Outbound is REDIRECT in both. */
  readonly capture: CaptureMode;
  /** Redirect port 53 (UDP and TCP) to the proxy. Default false. */
  readonly dns?: boolean;
  /** Build the IPv6 half. Default true. */
  readonly ipv6?: boolean;
  /** The pod is an ingress gateway: leave its inbound traffic alone. Default false. */
  readonly ingress?: boolean;
  /** Interfaces in the pod whose inbound TCP is outbound traffic (virtual machines); `+` at the end: any rest. */
  readonly virtualInterfaces?: readonly string[];
  /** Addresses that host probes come from; `DEFAULT_PROBE_SOURCES` where absent. */
  readonly probeSources?: ProbeSources;
}

/** Everything a pod's namespace needs for the capture of its traffic, as data. */
export interface AmbientPodRules extends OwnedRules {
  readonly v4: RuleSet;
  /** The same as `v4` and `v6` together; for `redirect` in the words of the reference. */
  readonly nftables: readonly NftTable[];
  readonly routing: PolicyRouting;
}

/**
 * Builds the rules of an ambient pod. `tproxy` is the listing of Istio's documentation on traffic redirection, with the
 * DNS rules of the first release that had them complete (1.24, where this form was still selectable): earlier ones sent
 * the proxy's own queries back to the proxy. `redirect` is the form of 1.24 and later, as of 1.29 byte for byte.
 * `v6` is absent with `ipv6: false`.
 * Throws `IPTABLES_RULE_INVALID` for a probe source that is no address of its family, for interface names that are none,
 * and for options that are none of their choices, as they may come from JSON.
 */
export function buildAmbientPodRules(options: AmbientPodOptions): AmbientPodRules {
  checkOption('capture', options.capture, CAPTURE_MODES);
  for (const name of ['dns', 'ipv6', 'ingress'] as const) checkOption(name, options[name], SWITCH);
  const capture: PodCapture = {
    dns: options.dns ?? false,
    ingress: options.ingress ?? false,
    virtualInterfaces: checkVirtualInterfaces(options.virtualInterfaces ?? []),
  };
  const ipv6 = options.ipv6 ?? true;
  const family = (name: Family) => {
    const addresses = familyAddresses(name, parseProbeSource(name, options.probeSources));
    return arrangeRows(name, podRows(options.capture, capture, addresses));
  };
  const sets = { v4: family('ipv4'), ...(ipv6 ? { v6: family('ipv6') } : {}) };
  const nftables =
    options.capture === 'tproxy'
      ? translateToNft(sets, { prefix: NFT_TABLE_PREFIX })
      : buildRedirectNft(capture, {
          v4: parseProbeSource('ipv4', options.probeSources),
          ...(ipv6 ? { v6: parseProbeSource('ipv6', options.probeSources) } : {}),
        });
  return { ...sets, nftables, routing: AMBIENT_POLICY_ROUTING, ownership: AMBIENT_POD_OWNERSHIP };
}
