import { parsePorts, renderPorts } from '../ports.ts';
import { not } from '../render-words.ts';
import type { MultiportMatch, PortRange, ProtocolMatch } from '../rule.ts';
import type { MatchKind } from './match-kind.ts';
import { protocol } from './protocol.ts';

const OPTIONS = { source: '--sports', destination: '--dports', either: '--ports' } as const;
/** Slots of the kernel's list; a range takes two. */
const MOST_PORTS = 15;
const PROTOCOLS: readonly string[] = ['tcp', 'udp', 'udplite', 'sctp', 'dccp'];

/** Protocols whose ports {@link multiport} can look at. */
export type PortProtocol = 'tcp' | 'udp' | 'udplite' | 'sctp' | 'dccp';

/**
 * One of up to 15 ports (a range counts twice), with the protocol match: `multiport('tcp', 'destination', [80, 443])`.
 * `either` is a packet from or to one of them.
 */
export function multiport(
  name: PortProtocol,
  side: MultiportMatch['side'],
  ports: readonly (number | PortRange)[],
): readonly [ProtocolMatch, MultiportMatch] {
  const ranges = ports.map((range) => (typeof range === 'number' ? { first: range } : range));
  return [protocol(name), { match: 'multiport', side, ports: ranges }];
}

/** `-m multiport`. */
export const MULTIPORT: MatchKind<MultiportMatch> = {
  render: ({ side, ports, negated }) =>
    `-m multiport ${not(negated)}${OPTIONS[side]} ${ports.map((range) => renderPorts(range, ':', side === 'either' ? 'port' : `${side} port`)).join(',')}`,
  parse([option]) {
    const side = SIDES.find((name) => OPTIONS[name] === option?.name);
    const ports = option?.values[0]?.split(',').map((range) => parsePorts(range, ':'));
    if (side === undefined || !ports?.every((range) => range !== undefined)) return undefined;
    return { match: 'multiport', side, ports, ...(option?.negated ? { negated: true } : {}) };
  },
  check({ ports }, scope) {
    if (scope.protocol === undefined || !PROTOCOLS.includes(scope.protocol))
      return `multiport needs -p with one of ${PROTOCOLS.join(', ')}`;
    if (ports.length === 0) return 'multiport needs a port';
    const slots = ports.reduce((sum, { last }) => sum + (last === undefined ? 1 : 2), 0);
    return slots > MOST_PORTS ? `${slots} ports, a range counting twice: want at most ${MOST_PORTS}` : undefined;
  },
};

const SIDES = ['source', 'destination', 'either'] as const;
