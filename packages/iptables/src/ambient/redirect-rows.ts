import { INBOUND_CHAIN } from './chain-names.ts';
import type { FamilyAddresses } from './pod-capture.ts';
import { CAPTURE_PORTS } from './ports.ts';
import { NOT_FROM_PROXY, type RuleRow, TCP } from './rule-rows.ts';

/** Rule 9: probes pass. */
export function redirectProbeRow({ probe }: FamilyAddresses): RuleRow {
  const matches = [{ match: 'source', address: probe }, TCP, { match: 'tcp' }] as const;
  return { table: 'nat', rule: { chain: INBOUND_CHAIN, matches, target: { target: 'ACCEPT' } } };
}

/**
 * Rule 11: everything but HBONE is plaintext for 15006. The proxy listens on 15008 itself, so that a tunnel keeps its
 * addresses and its port.
 */
export function redirectInboundRow({ notLoopback }: FamilyAddresses): RuleRow {
  const { inboundHbone, inboundPlaintext } = CAPTURE_PORTS;
  const notHbone = { match: 'tcp', destinationPort: { first: inboundHbone, negated: true }, implicit: true } as const;
  const target = { target: 'REDIRECT', toPorts: { first: inboundPlaintext } } as const;
  return {
    table: 'nat',
    rule: { chain: INBOUND_CHAIN, matches: [notLoopback, TCP, notHbone, NOT_FROM_PROXY], target },
  };
}
