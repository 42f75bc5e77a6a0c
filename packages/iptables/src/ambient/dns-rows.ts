import type { Match } from '../core/rule.ts';
import { INBOUND_CHAIN, OUTBOUND_CHAIN } from './chain-names.ts';
import type { FamilyAddresses } from './pod-capture.ts';
import { CAPTURE_PORTS, DNS_PORT, DNS_ZONE } from './ports.ts';
import { FROM_PROXY, NOT_FROM_PROXY, type RuleRow, TCP, UDP } from './rule-rows.ts';

/** Rules 4 and 5 of the specification, section 3: the jumps of raw. */
export function dnsJumpRows(): readonly RuleRow[] {
  return [
    { table: 'raw', rule: { chain: 'PREROUTING', matches: [], target: { target: 'jump', chain: INBOUND_CHAIN } } },
    { table: 'raw', rule: { chain: 'OUTPUT', matches: [], target: { target: 'jump', chain: OUTBOUND_CHAIN } } },
  ];
}

/**
 * Rules 13 to 16: queries of the application go to the proxy, over UDP (`--to-port`, as the reference spells it) and
 * TCP; the proxy's own queries and their answers are tracked in a zone of their own, or their ports could collide.
 */
export function dnsRows({ notLoopback }: FamilyAddresses): readonly RuleRow[] {
  const destinationPort = { first: DNS_PORT };
  const toProxy = { target: 'REDIRECT', toPorts: { first: CAPTURE_PORTS.dns } } as const;
  const zone = { target: 'CT', zone: DNS_ZONE } as const;
  const queries: Match = { match: 'udp', destinationPort };
  const answers: Match = { match: 'udp', sourcePort: destinationPort };
  const notLo: Match = { match: 'out-interface', name: 'lo', negated: true };
  const overTcp: Match = { match: 'tcp', destinationPort, implicit: true };
  const chain = OUTBOUND_CHAIN;
  return [
    {
      table: 'nat',
      rule: { chain, matches: [notLo, UDP, NOT_FROM_PROXY, queries], target: { ...toProxy, abbreviated: true } },
    },
    { table: 'nat', rule: { chain, matches: [notLoopback, TCP, overTcp, NOT_FROM_PROXY], target: toProxy } },
    { table: 'raw', rule: { chain, matches: [UDP, FROM_PROXY, queries], target: zone } },
    { table: 'raw', rule: { chain: INBOUND_CHAIN, matches: [UDP, NOT_FROM_PROXY, answers], target: zone } },
  ];
}
