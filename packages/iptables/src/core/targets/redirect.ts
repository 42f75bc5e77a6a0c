import { parsePorts, renderPorts } from '../ports.ts';
import type { PortRange, RedirectTarget } from '../rule.ts';
import { checkPortProtocol } from './nat-ports.ts';
import type { TargetKind } from './target-kind.ts';

/** To a port of this machine; needs `-p tcp` or another protocol with ports. PREROUTING and OUTPUT of nat only. */
export function redirect(toPorts: number | PortRange): RedirectTarget {
  return { target: 'REDIRECT', toPorts: typeof toPorts === 'number' ? { first: toPorts } : toPorts };
}

/** `REDIRECT`. */
export const REDIRECT: TargetKind<RedirectTarget> = {
  table: 'nat',
  hooks: ['PREROUTING', 'OUTPUT'],
  render: ({ abbreviated, toPorts }) => `-j REDIRECT --to-port${abbreviated ? '' : 's'} ${renderPorts(toPorts, '-')}`,
  parse([option]) {
    const toPorts = parsePorts(option?.values[0] ?? '', '-');
    if (toPorts === undefined) return undefined;
    return option?.name === '--to-port'
      ? { target: 'REDIRECT', toPorts, abbreviated: true }
      : { target: 'REDIRECT', toPorts };
  },
  list: (target) => (target.abbreviated ? { target: 'REDIRECT', toPorts: target.toPorts } : target),
  check: ({ toPorts }, scope) => checkPortProtocol(toPorts, scope),
};
