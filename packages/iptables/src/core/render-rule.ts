import { IptablesError } from '../errors.ts';
import { renderMark, renderMarkMatch, renderMask } from './mark.ts';
import type { AddressMatch, Match, PortMatch, PortRange, Rule, Target, TransportMatch } from './rule.ts';

const HIGHEST_PORT = 65_535;

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
    case 'jump':
      return `-j ${word(target.chain)}`;
    case 'goto':
      return `-g ${word(target.chain)}`;
    case 'CONNMARK':
      return target.operation === 'set-xmark'
        ? `-j CONNMARK --set-xmark ${renderMark(target.mark)}`
        : `-j CONNMARK --${target.operation} --nfmask ${renderMask(target.nfmask)} --ctmask ${renderMask(target.ctmask)}`;
    case 'REDIRECT':
      return `-j REDIRECT --to-port${target.abbreviated ? '' : 's'} ${renderPorts(target.toPorts, '-')}`;
    case 'TPROXY':
      return `-j TPROXY --on-port ${port(target.onPort)} --on-ip ${word(target.onIp)} --tproxy-mark ${renderMark(target.mark)}`;
    case 'CT':
      return `-j CT --zone ${port(target.zone)}`;
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
  if (words.length === 0)
    throw new IptablesError(
      'IPTABLES_RULE_INVALID',
      `an implicit ${match.match} match needs a port, or it says nothing`,
    );
  return words.join(' ');
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
