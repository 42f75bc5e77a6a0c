import type { RuleScope } from '../matches/match-kind.ts';
import type { PortRange } from '../rule.ts';

/** What the tool demands of a rule that changes ports; ICMP has ids in their place. */
const WITH_PORTS: readonly string[] = ['tcp', 'udp', 'sctp', 'dccp', 'icmp'];

/**
 * Why ports cannot be changed for the packets of the rule; undefined where they can, or none are given. The tool looks at
 * the name only: it takes `! -p tcp`, and the ports of other protocols that have some are changed.
 */
export function checkPortProtocol(ports: PortRange | undefined, { namedProtocol }: RuleScope): string | undefined {
  if (ports === undefined || (namedProtocol !== undefined && WITH_PORTS.includes(namedProtocol))) return undefined;
  return 'changing ports needs -p with tcp, udp, sctp or dccp';
}
