import type { Match } from '../core/rule.ts';
import { INBOUND_CHAIN } from './chain-names.ts';
import { CAPTURE_PORTS } from './ports.ts';
import { type RuleRow, TCP } from './rule-rows.ts';

/** Rules 7: what comes in from a virtual machine or a nested container is the pod's outbound traffic. TCP only. */
export function rerouteRows(virtualInterfaces: readonly string[]): readonly RuleRow[] {
  const chain = INBOUND_CHAIN;
  return virtualInterfaces.flatMap((name) => {
    const matches: readonly Match[] = [{ match: 'in-interface', name }, TCP];
    const outbound = { target: 'REDIRECT', toPorts: { first: CAPTURE_PORTS.outbound } } as const;
    return [
      { table: 'nat', rule: { chain, matches, target: outbound } },
      { table: 'nat', rule: { chain, matches, target: { target: 'RETURN' } } },
    ] as const;
  });
}

/**
 * Keeps TPROXY away from the same traffic, in the `tproxy` form only: no release of the reference has virtual interfaces
 * and TPROXY together. mangle comes before nat, and TPROXY gives the packet its socket: without these rows such
 * connections arrive at 15006, as inbound ones, whatever rules 7 do to their addresses afterwards. `RETURN` rather than
 * `ACCEPT`, for the rules of others after the chain. Rule 8 stays before: it is for packets of any interface.
 */
export function bypassTproxyRows(virtualInterfaces: readonly string[]): readonly RuleRow[] {
  return virtualInterfaces.map((name) => ({
    table: 'mangle',
    rule: {
      chain: INBOUND_CHAIN,
      matches: [{ match: 'in-interface', name }, TCP],
      target: { target: 'RETURN' },
    },
  }));
}
