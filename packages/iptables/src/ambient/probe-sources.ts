import { isIP, SocketAddress } from 'node:net';
import { checkOption } from '../core/check-option.ts';
import type { Family } from '../core/rule.ts';
import { IptablesError } from '../errors.ts';

/** Source addresses that host probes (kubelet) carry, so that they pass uncaptured. */
export const DEFAULT_PROBE_SOURCES = { v4: '169.254.7.127', v6: 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff' } as const;

/** Overrides of {@link DEFAULT_PROBE_SOURCES}, by family. */
export interface ProbeSources {
  readonly v4?: string;
  readonly v6?: string;
}

/**
 * The probe source of one family in the only spelling that iptables and nft list addresses in (RFC 5952), so that
 * every valid spelling of an address gives the same rules. Throws `IPTABLES_RULE_INVALID` for anything but an address,
 * and for sources of what is neither `v4` nor `v6`.
 */
export function parseProbeSource(family: Family, sources: ProbeSources | undefined): string {
  for (const name of Object.keys(sources ?? {})) checkOption('probeSources: family', name, ['v4', 'v6']);
  const key = family === 'ipv4' ? 'v4' : 'v6';
  const address = sources?.[key] ?? DEFAULT_PROBE_SOURCES[key];
  if (typeof address !== 'string' || isIP(address) !== (family === 'ipv4' ? 4 : 6) || address.includes('%'))
    throw new IptablesError(
      'IPTABLES_RULE_INVALID',
      `probe source ${JSON.stringify(address)}: want an ${family} address`,
    );
  return new SocketAddress({ address, family }).address;
}
