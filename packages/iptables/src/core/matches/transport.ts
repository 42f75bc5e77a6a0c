import { IptablesError } from '../../errors.ts';
import { HIGHEST_PORT, parsePorts, renderPorts } from '../ports.ts';
import { not } from '../render-words.ts';
import type { PortMatch, PortRange, ProtocolMatch, TcpFlag, TcpFlagsMatch, TransportMatch } from '../rule.ts';
import type { Option } from '../words.ts';
import type { MatchKind } from './match-kind.ts';
import { protocol } from './protocol.ts';

/** Flags of a TCP header, in the order iptables lists them. */
export const TCP_FLAGS: readonly TcpFlag[] = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG'];

/** A port, the first and last of a range, or either turned around with `not`. */
export type Ports = number | PortRange | { readonly not: number | PortRange };

/** Ports of {@link tcp} and {@link udp}; what is absent may be anything. */
export interface TransportPorts {
  /** Port the packet comes from. */
  readonly from?: Ports;
  /** Port it goes to. */
  readonly to?: Ports;
}

/** What {@link tcp} can look at. */
export interface TcpOptions extends TransportPorts {
  /** `syn` is a packet that opens a connection. */
  readonly flags?: TcpFlagsMatch | 'syn';
}

type WithProtocol<M> = readonly [ProtocolMatch, M];

/** TCP packets, with their protocol match: `tcp({ to: 22 })`, `tcp({ to: { not: { first: 1, last: 1023 } } })`. */
export function tcp(options: TcpOptions = {}): WithProtocol<TransportMatch> {
  const flags = options.flags === 'syn' ? SYN : options.flags;
  const match: TransportMatch = { match: 'tcp', ...portMatches(options), ...(flags === undefined ? {} : { flags }) };
  return [protocol('tcp'), match];
}

/** UDP packets, with their protocol match: `udp({ to: 53 })`. */
export function udp(options: TransportPorts = {}): WithProtocol<TransportMatch> {
  return [protocol('udp'), { match: 'udp', ...portMatches(options) }];
}

/** `-m tcp` and `-m udp`. */
export const TRANSPORT: MatchKind<TransportMatch> = {
  render(match) {
    const words = match.implicit ? [] : [`-m ${match.match}`];
    if (match.sourcePort !== undefined) words.push(renderPortMatch('source', match.sourcePort));
    if (match.destinationPort !== undefined) words.push(renderPortMatch('destination', match.destinationPort));
    if (match.flags !== undefined)
      words.push(
        `${not(match.flags.negated)}--tcp-flags ${flagList(match.flags.examined)} ${flagList(match.flags.set)}`,
      );
    if (words.length > 0) return words.join(' ');
    throw new IptablesError(
      'IPTABLES_RULE_INVALID',
      `an implicit ${match.match} match needs a port or flags, or it says nothing`,
    );
  },
  parse(options, name) {
    const match: { -readonly [K in keyof TransportMatch]: TransportMatch[K] } = {
      match: name === 'udp' ? 'udp' : 'tcp',
    };
    for (const option of options) {
      const ports = parsePortMatch(option);
      const flags = option.name === '--tcp-flags' && name === 'tcp' ? parseFlags(option) : undefined;
      if (option.name === '--sport' && ports !== undefined) match.sourcePort = ports;
      else if (option.name === '--dport' && ports !== undefined) match.destinationPort = ports;
      else if (flags !== undefined) match.flags = flags;
      else return undefined;
    }
    return match;
  },
  list(match) {
    const { match: name, sourcePort, destinationPort, flags } = match;
    const from = sourcePort && listPorts(sourcePort);
    const to = destinationPort && listPorts(destinationPort);
    const listed = flags && listFlags(flags);
    if (!match.implicit && from === sourcePort && to === destinationPort && listed === flags) return match;
    return {
      match: name,
      ...(from && { sourcePort: from }),
      ...(to && { destinationPort: to }),
      ...(listed && { flags: listed }),
    };
  },
  check({ match, sourcePort, destinationPort, flags }, scope) {
    if (scope.protocol !== match) return `ports of ${match} need -p ${match}`;
    if ([sourcePort, destinationPort].some((ports) => isAny(ports) && ports?.negated))
      return 'no packet has a port outside of all ports';
    if (flags === undefined) return undefined;
    if (match === 'udp') return 'UDP has no flags';
    if (flags.set.some((flag) => !flags.examined.includes(flag))) return 'flags that are set must be examined';
    return flags.examined.length === 0 && flags.negated ? 'no flags are examined: never matches' : undefined;
  },
};

const SYN: TcpFlagsMatch = { examined: ['FIN', 'SYN', 'RST', 'ACK'], set: ['SYN'] };

function portMatches({ from, to }: TransportPorts): Pick<TransportMatch, 'sourcePort' | 'destinationPort'> {
  return {
    ...(from === undefined ? {} : { sourcePort: portMatch(from) }),
    ...(to === undefined ? {} : { destinationPort: portMatch(to) }),
  };
}

function portMatch(ports: Ports): PortMatch {
  if (typeof ports === 'number') return { first: ports };
  return 'not' in ports ? { ...portMatch(ports.not), negated: true } : ports;
}

function renderPortMatch(side: 'source' | 'destination', ports: PortMatch): string {
  return `${not(ports.negated)}--${side === 'source' ? 's' : 'd'}port ${renderPorts(ports, ':', `${side} port`)}`;
}

function parsePortMatch({ values, negated }: Option): PortMatch | undefined {
  const ports = parsePorts(values[0] ?? '', ':');
  return ports !== undefined && negated ? { ...ports, negated: true } : ports;
}

/** Whether every port is in the range: iptables does not list it then. */
function isAny(ports: PortMatch | undefined): boolean {
  return ports !== undefined && ports.first === 0 && ports.last === HIGHEST_PORT;
}

/** The nft variant turns the negation of a range that starts at 0 into the ports above it; no port is left of all. */
function listPorts(ports: PortMatch): PortMatch | undefined {
  if (isAny(ports)) return undefined;
  if (!ports.negated || ports.first !== 0 || ports.last === undefined) return ports;
  const first = ports.last + 1;
  return first === HIGHEST_PORT ? { first } : { first, last: HIGHEST_PORT };
}

function flagList(flags: readonly TcpFlag[]): string {
  return flags.length === 0 ? 'NONE' : flags.join(',');
}

function parseFlags({ values: [examined = '', set = ''], negated }: Option): TcpFlagsMatch | undefined {
  const both = { examined: parseFlagList(examined), set: parseFlagList(set) };
  if (both.examined === undefined || both.set === undefined) return undefined;
  return { examined: both.examined, set: both.set, ...(negated && { negated: true }) };
}

function parseFlagList(text: string): readonly TcpFlag[] | undefined {
  if (text === 'NONE') return [];
  const flags = text.split(',').map((name) => TCP_FLAGS.find((flag) => flag === name));
  return flags.every((flag) => flag !== undefined) ? flags : undefined;
}

/** In header order, each once; undefined where no flag is examined, which matches always. */
function listFlags(flags: TcpFlagsMatch): TcpFlagsMatch | undefined {
  const { examined, set, ...rest } = flags;
  if (examined.length === 0) return undefined;
  const listed = {
    examined: TCP_FLAGS.filter((flag) => examined.includes(flag)),
    set: TCP_FLAGS.filter((flag) => set.includes(flag)),
  };
  const same = flagList(listed.examined) === flagList(examined) && flagList(listed.set) === flagList(set);
  return same ? flags : { ...listed, ...rest };
}
