import type { Match, Target } from '../core/rule.ts';
import { INBOUND_CHAIN } from './chain-names.ts';
import { RETURN_MARK } from './marks.ts';
import type { FamilyAddresses } from './pod-capture.ts';
import { CAPTURE_PORTS } from './ports.ts';
import { NOT_FROM_PROXY, type RuleRow, TCP } from './rule-rows.ts';

/**
 * Inbound capture by TPROXY in mangle (spec section 14): probes, the pod's calls to itself and known connections pass;
 * 15008 goes to its listener with the mark that routes it locally; the rest is plaintext for 15006.
 */
export function tproxyInboundRows({ probe, any, notLoopback }: FamilyAddresses): readonly RuleRow[] {
  const { inboundHbone, inboundPlaintext } = CAPTURE_PORTS;
  const capture = (onPort: number) => ({ target: 'TPROXY', onPort, onIp: any, mark: RETURN_MARK }) as const;
  const hbonePort: Match = { match: 'tcp', destinationPort: { first: inboundHbone }, implicit: true };
  const known: Match = { match: 'conntrack', states: ['RELATED', 'ESTABLISHED'] };
  return [
    row([{ match: 'source', address: probe }, TCP, { match: 'tcp' }], { target: 'ACCEPT' }),
    row([notLoopback, { match: 'in-interface', name: 'lo' }, TCP], { target: 'ACCEPT' }),
    row([TCP, hbonePort, NOT_FROM_PROXY], capture(inboundHbone)),
    row([TCP, known], { target: 'ACCEPT' }),
    row([notLoopback, TCP, NOT_FROM_PROXY], capture(inboundPlaintext)),
  ];
}

function row(matches: readonly Match[], target: Target<'mangle'>): RuleRow {
  return { table: 'mangle', rule: { chain: INBOUND_CHAIN, matches, target } };
}
