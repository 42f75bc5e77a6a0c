import { IptablesError } from '../errors.ts';
import { FULL_MASK, renderMark, renderMarkMatch, renderMask } from './mark.ts';
import type {
  AddressMatch,
  DestinationNatTarget,
  IcmpMatch,
  LogTarget,
  MasqueradeTarget,
  Match,
  OwnerMatch,
  PortMatch,
  PortRange,
  Rule,
  SourceNatTarget,
  StatisticMatch,
  Target,
  TcpFlag,
  TransportMatch,
} from './rule.ts';

const HIGHEST_PORT = 65_535;
const HIGHEST_OCTET = 255;
/** As iptables prints probabilities. */
const PROBABILITY_DIGITS = 11;
const MULTIPORT_OPTIONS = { source: '--sports', destination: '--dports', either: '--ports' } as const;

/** One line of restore text without a line break. Throws `IPTABLES_RULE_INVALID` when a value cannot be written. */
export function renderRule(rule: Rule): string {
  const words = rule.position === undefined ? ['-A', word(rule.chain)] : ['-I', word(rule.chain), `${rule.position}`];
  for (const match of rule.matches) words.push(renderMatch(match));
  if (rule.target !== undefined) words.push(renderTarget(rule.target));
  return words.join(' ');
}

/** Text of one match, such as `! -d 127.0.0.1/32`. Throws `IPTABLES_RULE_INVALID`. */
export function renderMatch(match: Match): string {
  const not = negation(match);
  switch (match.match) {
    case 'source':
      return `${not}-s ${renderAddress(match)}`;
    case 'destination':
      return `${not}-d ${renderAddress(match)}`;
    case 'in-interface':
      return `${not}-i ${word(match.name)}`;
    case 'out-interface':
      return `${not}-o ${word(match.name)}`;
    case 'protocol':
      return `${not}-p ${word(match.protocol)}`;
    case 'tcp':
    case 'udp':
      return renderTransport(match);
    case 'mark':
    case 'connmark':
      return `-m ${match.match} ${not}--mark ${renderMarkMatch(match.mark)}`;
    case 'conntrack':
      return `-m conntrack ${not}--ctstate ${match.states.join(',')}`;
    case 'multiport':
      return `-m multiport ${not}${MULTIPORT_OPTIONS[match.side]} ${match.ports.map((ports) => renderPorts(ports, ':')).join(',')}`;
    case 'icmp':
    case 'icmp6':
      return `-m ${match.match} ${not}--${match.match === 'icmp' ? 'icmp' : 'icmpv6'}-type ${renderIcmpType(match)}`;
    case 'owner':
      return `-m owner ${not}${renderOwner(match)}`;
    case 'set':
      return `-m set ${not}--match-set ${word(match.set)} ${match.directions.join(',')}`;
    case 'addrtype':
      return `-m addrtype ${not}--${match.side === 'source' ? 'src' : 'dst'}-type ${match.types.join(',')}`;
    case 'limit':
      return `-m limit --limit ${count(match.packets)}/${match.per}${match.burst === undefined ? '' : ` --limit-burst ${count(match.burst)}`}`;
    case 'statistic':
      return `-m statistic --mode ${match.mode} ${not}${renderStatistic(match)}`;
    case 'comment':
      return `-m comment --comment ${renderString(match.text)}`;
    case 'raw':
      return oneLine(match.text);
  }
}

/** Text of a target with its `-j` or `-g`. Throws `IPTABLES_RULE_INVALID`. */
export function renderTarget(target: Target): string {
  switch (target.target) {
    case 'ACCEPT':
    case 'DROP':
    case 'RETURN':
      return `-j ${target.target}`;
    case 'REJECT':
      return `-j REJECT${target.with === undefined ? '' : ` --reject-with ${word(target.with)}`}`;
    case 'jump':
      return `-j ${word(target.chain)}`;
    case 'goto':
      return `-g ${word(target.chain)}`;
    case 'CONNMARK':
      return target.operation === 'set-xmark'
        ? `-j CONNMARK --set-xmark ${renderMark(target.mark)}`
        : `-j CONNMARK --${target.operation} --nfmask ${renderMask(target.nfmask)} --ctmask ${renderMask(target.ctmask)}`;
    case 'MARK':
      return `-j MARK --set-xmark ${renderMark(target.mark)}`;
    case 'LOG':
      return `-j LOG${renderLogOptions(target)}`;
    case 'TCPMSS':
      return `-j TCPMSS ${target.size === 'path' ? '--clamp-mss-to-pmtu' : `--set-mss ${port(target.size)}`}`;
    case 'DNAT':
      return `-j DNAT --to-destination ${renderNatAddress(target)}`;
    case 'SNAT':
      return `-j SNAT --to-source ${renderNatAddress(target)}`;
    case 'MASQUERADE':
      return `-j MASQUERADE${renderMasquerade(target)}`;
    case 'REDIRECT':
      return `-j REDIRECT --to-port${target.abbreviated ? '' : 's'} ${renderPorts(target.toPorts, '-')}`;
    case 'TPROXY':
      return `-j TPROXY --on-port ${port(target.onPort)} --on-ip ${word(target.onIp)} --tproxy-mark ${renderMark(target.mark)}`;
    case 'CT':
      return target.zone === 'none' ? '-j CT --notrack' : `-j CT --zone ${port(target.zone)}`;
    case 'raw':
      return `-j ${oneLine(target.text)}`;
  }
}

function negation(match: Match): string {
  return 'negated' in match && match.negated ? '! ' : '';
}

function renderTransport(match: TransportMatch): string {
  const words = match.implicit ? [] : [`-m ${match.match}`];
  if (match.sourcePort !== undefined) words.push(renderPortMatch('--sport', match.sourcePort));
  if (match.destinationPort !== undefined) words.push(renderPortMatch('--dport', match.destinationPort));
  if (match.flags !== undefined)
    words.push(
      `${match.flags.negated ? '! ' : ''}--tcp-flags ${flags(match.flags.examined)} ${flags(match.flags.set)}`,
    );
  if (words.length === 0)
    throw new IptablesError(
      'IPTABLES_RULE_INVALID',
      `an implicit ${match.match} match needs a port or flags, or it says nothing`,
    );
  return words.join(' ');
}

function flags(names: readonly TcpFlag[]): string {
  return names.length === 0 ? 'NONE' : names.join(',');
}

function renderIcmpType({ type, code }: IcmpMatch): string {
  return code === undefined ? octet(type) : `${octet(type)}/${octet(code)}`;
}

function renderOwner(match: OwnerMatch): string {
  if (match.by === 'socket-exists') return '--socket-exists';
  const option = match.by === 'user' ? '--uid-owner' : '--gid-owner';
  return `${option} ${count(match.first)}${match.last === undefined ? '' : `-${count(match.last)}`}`;
}

function renderStatistic(match: StatisticMatch): string {
  if (match.mode === 'nth') return `--every ${count(match.every)} --packet ${count(match.packet)}`;
  if (!(match.probability >= 0 && match.probability <= 1))
    throw new IptablesError('IPTABLES_RULE_INVALID', `probability ${match.probability}: want 0 to 1`);
  return `--probability ${match.probability.toFixed(PROBABILITY_DIGITS)}`;
}

function renderLogOptions({ prefix, level }: LogTarget): string {
  return `${prefix === undefined ? '' : ` --log-prefix ${renderString(prefix)}`}${level === undefined ? '' : ` --log-level ${octet(level)}`}`;
}

function renderNatAddress({ address, ports }: DestinationNatTarget | SourceNatTarget): string {
  if (ports === undefined) return word(address);
  return `${address.includes(':') ? `[${word(address)}]` : word(address)}:${renderPorts(ports, '-')}`;
}

function renderMasquerade({ ports, random }: MasqueradeTarget): string {
  const chosen = random === undefined ? '' : { ports: ' --random', fully: ' --random-fully' }[random];
  return `${ports === undefined ? '' : ` --to-ports ${renderPorts(ports, '-')}`}${chosen}`;
}

function renderPortMatch(option: string, ports: PortMatch): string {
  return `${ports.negated ? '! ' : ''}${option} ${renderPorts(ports, ':')}`;
}

function renderPorts(ports: PortRange, separator: string): string {
  if (ports.last === undefined) return port(ports.first);
  if (ports.last <= ports.first)
    throw new IptablesError('IPTABLES_RULE_INVALID', `ports ${ports.first} to ${ports.last}: want the lower one first`);
  return `${port(ports.first)}${separator}${port(ports.last)}`;
}

function octet(value: number): string {
  if (!Number.isInteger(value) || value < 0 || value > HIGHEST_OCTET)
    throw new IptablesError('IPTABLES_RULE_INVALID', `${value}: want an integer from 0 to ${HIGHEST_OCTET}`);
  return `${value}`;
}

function count(value: number): string {
  if (!Number.isInteger(value) || value < 0 || value > FULL_MASK)
    throw new IptablesError('IPTABLES_RULE_INVALID', `${value}: want an unsigned 32-bit integer`);
  return `${value}`;
}

function port(value: number): string {
  if (!Number.isInteger(value) || value < 0 || value > HIGHEST_PORT)
    throw new IptablesError('IPTABLES_RULE_INVALID', `${value}: want an integer from 0 to ${HIGHEST_PORT}`);
  return `${value}`;
}

function renderAddress(match: AddressMatch): string {
  return match.prefixLength === undefined ? word(match.address) : `${word(match.address)}/${match.prefixLength}`;
}

/** As `xtables_save_string`: anything but letters, digits, `_` and `-` is quoted. */
function renderString(text: string): string {
  if (/^[-_0-9a-zA-Z]+$/.test(text)) return text;
  return `"${oneLine(text).replaceAll(/["'\\]/g, (char) => `\\${char}`)}"`;
}

/** A name that must stay one word: user input here could otherwise add options or whole rules. */
function word(text: string): string {
  if (!/^[^\s"'\\\p{Cc}-][^\s"'\\\p{Cc}]*$/u.test(text))
    throw new IptablesError('IPTABLES_RULE_INVALID', `${JSON.stringify(text)}: want one word without quotes`);
  return text;
}

function oneLine(text: string): string {
  // iptables-restore ends a rule at a line break even inside quotes.
  if (text === '' || /[\n\r\0]/.test(text))
    throw new IptablesError('IPTABLES_RULE_INVALID', `${JSON.stringify(text)}: want text on one line`);
  return text;
}
