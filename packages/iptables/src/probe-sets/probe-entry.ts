import { isIPv4, SocketAddress } from 'node:net';
import type { Family } from '../core/rule.ts';
import { IptablesError } from '../errors.ts';

/** A pod and the addresses that probes reach it at; none while it has not been given any. */
export interface ProbePod {
  /** Letters, digits, `-`, `_` and `.`, at most 128 of them. */
  readonly uid: string;
  readonly addresses: readonly string[];
}

/** One address of a probe set. */
export interface ProbeEntry {
  /** As the kernel prints it. */
  readonly address: string;
  readonly family: Family;
  /** Absent for an entry that somebody else made without saying whose it is. */
  readonly podUid?: string;
}

/** An entry that is to be written: with its pod. */
export interface OwnedProbeEntry extends ProbeEntry {
  readonly podUid: string;
}

/**
 * The entries of pods, each address once (the last pod wins), IPv4-mapped IPv6 addresses as IPv4; those of IPv6 are left
 * out without `ipv6`. Throws `IPTABLES_RULE_INVALID` for what is no address or no UID.
 */
export function readPods(pods: readonly ProbePod[], ipv6: boolean): readonly OwnedProbeEntry[] {
  const entries = new Map<string, OwnedProbeEntry>();
  for (const { uid, addresses } of pods) {
    checkUid(uid);
    for (const text of addresses) {
      const { address, family } = readAddress(text);
      if (family === 'ipv4' || ipv6) entries.set(address, { address, family, podUid: uid });
    }
  }
  return [...entries.values()];
}

function checkUid(uid: string): void {
  // What quotes or separates elsewhere must not come in through a comment.
  if (!/^[0-9A-Za-z][\w.-]{0,127}$/.test(uid))
    throw new IptablesError(
      'IPTABLES_RULE_INVALID',
      `pod UID ${JSON.stringify(uid)}: want letters, digits, "-", "_", "."`,
    );
}

function readAddress(text: string): Pick<ProbeEntry, 'address' | 'family'> {
  if (isIPv4(text)) return { address: text, family: 'ipv4' };
  const address = /^[\da-f:.]+$/i.test(text) ? canonicalIpv6(text) : undefined;
  if (address === undefined)
    throw new IptablesError('IPTABLES_RULE_INVALID', `address of a pod: ${JSON.stringify(text)} is none`);
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address)?.[1];
  return mapped === undefined ? { address, family: 'ipv6' } : { address: mapped, family: 'ipv4' };
}

function canonicalIpv6(text: string): string | undefined {
  try {
    return new SocketAddress({ address: text, family: 'ipv6' }).address;
  } catch {
    return undefined;
  }
}
