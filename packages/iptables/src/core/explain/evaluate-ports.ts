import type { MultiportMatch, PortMatch, PortRange, TransportMatch } from '../rule.ts';
import { all, any, decide, type Finding, missing, negateIf, undecided } from './finding.ts';
import type { Side, WalkState } from './walk-state.ts';

const WITH_PORTS: ReadonlySet<string> = new Set(['tcp', 'udp', 'dccp', 'sctp', 'udplite']);

/** Whether packets of this protocol, named as iptables lists it, have ports. */
export function hasPorts(protocol: string): boolean {
  return WITH_PORTS.has(protocol);
}

/** `-m tcp`, `-m udp`: the protocol, its ports and flags. */
export function evaluateTransport(match: TransportMatch, state: WalkState): Finding {
  const { protocol } = state.facts;
  if (protocol !== match.match) return missing(`the protocol is ${protocol}`);
  return all([
    evaluatePort(match.sourcePort, 'source', state.source),
    evaluatePort(match.destinationPort, 'destination', state.destination),
    evaluateFlags(match, state),
  ]);
}

/** `-m multiport`: either side counts for `--ports`. */
export function evaluateMultiport(match: MultiportMatch, state: WalkState): Finding {
  if (!hasPorts(state.facts.protocol)) return missing(`${state.facts.protocol} has no ports`);
  const sides = [
    ...(match.side === 'destination' ? [] : [isAmong(match.ports, 'source', state.source)]),
    ...(match.side === 'source' ? [] : [isAmong(match.ports, 'destination', state.destination)]),
  ];
  return sides.length === 1 ? all(sides) : any(sides, 'neither port is among them');
}

function isAmong(ports: readonly PortRange[], name: string, side: Side): Finding {
  return any(
    ports.map((range) => isWithin(range, name, side)),
    `the ${name} port is ${side.port}`,
  );
}

function evaluatePort(match: PortMatch | undefined, name: string, side: Side): Finding {
  if (match === undefined) return { truth: 'yes', reason: '' };
  return negateIf(match.negated, isWithin(match, name, side));
}

function isWithin(range: PortRange, name: string, { port }: Side): Finding {
  if (port === undefined) return undecided(`the ${name} port is not known`);
  return decide(port >= range.first && port <= (range.last ?? range.first), `the ${name} port is ${port}`);
}

function evaluateFlags({ flags }: TransportMatch, state: WalkState): Finding {
  if (flags === undefined) return { truth: 'yes', reason: '' };
  const on = state.facts.tcpFlags;
  if (on === undefined) return undecided('the TCP flags are not given');
  const same = flags.examined.every((flag) => on.includes(flag) === flags.set.includes(flag));
  return negateIf(flags.negated, decide(same, `the flags are ${on.join(',') || 'NONE'}`));
}
