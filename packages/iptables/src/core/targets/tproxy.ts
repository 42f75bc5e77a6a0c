import { listAddress, parseAddress } from '../address.ts';
import { type Mark, parseMark, renderMark } from '../mark.ts';
import { notAnAddress } from '../matches/address.ts';
import { renderPort } from '../ports.ts';
import { word } from '../render-words.ts';
import type { TproxyTarget } from '../rule.ts';
import type { TargetKind } from './target-kind.ts';

/** What {@link tproxy} needs besides the port. */
export interface TproxyOptions {
  /** Address of the listener; `0.0.0.0` or `::` is the one the packet came in on. */
  readonly onIp: string;
  /** Put on the packet, for a policy route to this machine. */
  readonly mark: Mark;
}

/** Hands a TCP or UDP packet to a transparent socket of this machine, addresses unchanged. PREROUTING of mangle only. */
export function tproxy(onPort: number, { onIp, mark }: TproxyOptions): TproxyTarget {
  return { target: 'TPROXY', onPort, onIp, mark };
}

/** `TPROXY`. */
export const TPROXY: TargetKind<TproxyTarget> = {
  table: 'mangle',
  hooks: ['PREROUTING'],
  render: ({ onPort, onIp, mark }) =>
    `-j TPROXY --on-port ${renderPort(onPort, 'listener port')} --on-ip ${word(onIp)} --tproxy-mark ${renderMark(mark)}`,
  parse([onPort, onIp, tproxyMark]) {
    const mark = parseMark(tproxyMark?.values[0] ?? '');
    return mark && { target: 'TPROXY', onPort: Number(onPort?.values[0]), onIp: onIp?.values[0] ?? '', mark };
  },
  list(target, family) {
    const onIp = listAddress(target.onIp, family);
    return onIp === target.onIp ? target : { ...target, onIp };
  },
  check({ onIp }, { family, protocol }) {
    if (protocol !== 'tcp' && protocol !== 'udp') return 'TPROXY needs -p tcp or -p udp';
    return parseAddress(onIp, family) === undefined ? notAnAddress(onIp, family) : undefined;
  },
};
