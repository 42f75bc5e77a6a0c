import { IptablesError } from '../errors.ts';
import type { PortRange } from './rule.ts';

/** Highest port, and highest number of two bytes. */
export const HIGHEST_PORT = 65_535;

/** A number of two bytes. Throws `IPTABLES_RULE_INVALID`, which says `what` it is. */
export function renderPort(value: number, what = 'port'): string {
  if (!Number.isInteger(value) || value < 0 || value > HIGHEST_PORT)
    throw new IptablesError('IPTABLES_RULE_INVALID', `${what} ${value}: want an integer from 0 to ${HIGHEST_PORT}`);
  return `${value}`;
}

/** `80`, or `80:90` with the separator of the extension. Throws `IPTABLES_RULE_INVALID`, which says `what` port it is. */
export function renderPorts(ports: PortRange, separator: ':' | '-', what = 'port'): string {
  if (ports.last === undefined) return renderPort(ports.first, what);
  if (ports.last <= ports.first)
    throw new IptablesError(
      'IPTABLES_RULE_INVALID',
      `${what}s ${ports.first} to ${ports.last}: want the lower one first`,
    );
  return `${renderPort(ports.first, what)}${separator}${renderPort(ports.last, what)}`;
}

/** Reads what {@link renderPorts} writes; undefined for anything else. Numbers are not checked against the limit. */
export function parsePorts(text: string, separator: ':' | '-'): PortRange | undefined {
  const at = text.indexOf(separator);
  if (at === -1) return /^\d+$/.test(text) ? { first: Number(text) } : undefined;
  const [first, last] = [text.slice(0, at), text.slice(at + 1)];
  return /^\d+$/.test(first) && /^\d+$/.test(last) ? { first: Number(first), last: Number(last) } : undefined;
}
