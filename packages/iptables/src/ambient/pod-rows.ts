import { FULL_MASK } from '../core/mark.ts';
import type { Match, TableName } from '../core/rule.ts';
import { INBOUND_CHAIN, OUTBOUND_CHAIN } from './chain-names.ts';
import { dnsJumpRows, dnsRows } from './dns-rows.ts';
import { RETURN_MARK } from './marks.ts';
import type { FamilyAddresses, PodCapture } from './pod-capture.ts';
import { CAPTURE_PORTS } from './ports.ts';
import { redirectInboundRow, redirectProbeRow } from './redirect-rows.ts';
import { FROM_PROXY, NOT_FROM_PROXY, type RuleRow, TCP, TO_PROXY } from './rule-rows.ts';
import { tproxyInboundRows } from './tproxy-rows.ts';
import { bypassTproxyRows, rerouteRows } from './virtual-interface-rows.ts';

/** All of {@link CaptureMode}. */
export const CAPTURE_MODES = ['tproxy', 'redirect'] as const;

/** How inbound traffic gets to the proxy. */
export type CaptureMode = (typeof CAPTURE_MODES)[number];

/** All rules of one family in the order of the specification, section 3 (numbers) and 14 (`tproxy`). */
export function podRows(mode: CaptureMode, capture: PodCapture, addresses: FamilyAddresses): readonly RuleRow[] {
  const { dns, ingress, virtualInterfaces } = capture;
  const reroute = rerouteRows(virtualInterfaces);
  const redirect = mode === 'redirect';
  const tproxyInbound = [...bypassTproxyRows(virtualInterfaces), ...tproxyInboundRows(addresses)];
  return [
    jump('mangle', 'PREROUTING', INBOUND_CHAIN),
    jump('mangle', 'OUTPUT', OUTBOUND_CHAIN),
    jump('nat', 'OUTPUT', OUTBOUND_CHAIN),
    ...(dns ? dnsJumpRows() : []),
    ...(redirect || reroute.length > 0 ? [jump('nat', 'PREROUTING', INBOUND_CHAIN)] : []),
    ...reroute,
    // In ingress mode too: without it, answers to the proxy's connections would leave the pod.
    connectionMarkRow(),
    ...(redirect || ingress ? [] : tproxyInbound),
    ...(redirect && !ingress ? [redirectProbeRow(addresses)] : []),
    outboundProbeRow(addresses),
    ...(redirect && !ingress ? [redirectInboundRow(addresses)] : []),
    restoreMarkRow(),
    ...(dns ? dnsRows(addresses) : []),
    ...outboundRows(addresses),
  ];
}

function jump(table: TableName, from: string, to: string): RuleRow {
  return { table, rule: { chain: from, matches: [], target: { target: 'jump', chain: to } } };
}

/** Rule 8. */
function connectionMarkRow(): RuleRow {
  const target = { target: 'CONNMARK', operation: 'set-xmark', mark: RETURN_MARK } as const;
  return { table: 'mangle', rule: { chain: INBOUND_CHAIN, matches: [FROM_PROXY], target } };
}

/** Rule 10. */
function outboundProbeRow({ probe }: FamilyAddresses): RuleRow {
  const matches: readonly Match[] = [{ match: 'destination', address: probe }, TCP, { match: 'tcp' }];
  return { table: 'nat', rule: { chain: OUTBOUND_CHAIN, matches, target: { target: 'ACCEPT' } } };
}

/** Rule 12. */
function restoreMarkRow(): RuleRow {
  const target = { target: 'CONNMARK', operation: 'restore-mark', nfmask: FULL_MASK, ctmask: FULL_MASK } as const;
  const matches: readonly Match[] = [{ match: 'connmark', mark: RETURN_MARK }];
  return { table: 'mangle', rule: { chain: OUTBOUND_CHAIN, matches, target } };
}

/** Rules 17 to 19: answers to the proxy and the pod's calls to itself pass, the rest is for the proxy. */
function outboundRows({ notLoopback }: FamilyAddresses): readonly RuleRow[] {
  const chain = OUTBOUND_CHAIN;
  const accept = { target: 'ACCEPT' } as const;
  const outbound = { target: 'REDIRECT', toPorts: { first: CAPTURE_PORTS.outbound } } as const;
  return [
    { table: 'nat', rule: { chain, matches: [TCP, TO_PROXY], target: accept } },
    { table: 'nat', rule: { chain, matches: [notLoopback, { match: 'out-interface', name: 'lo' }], target: accept } },
    { table: 'nat', rule: { chain, matches: [notLoopback, TCP, NOT_FROM_PROXY], target: outbound } },
  ];
}
