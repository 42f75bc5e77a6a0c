import { parsePorts, renderPorts } from '../ports.ts';
import type { MasqueradeTarget, PortRange } from '../rule.ts';
import { checkPortProtocol } from './nat-ports.ts';
import type { TargetKind } from './target-kind.ts';

/** The address of the interface the packet leaves by as its source. POSTROUTING of nat only. */
export function masquerade(options: Omit<MasqueradeTarget, 'target'> = {}): MasqueradeTarget {
  return { target: 'MASQUERADE', ...options };
}

/** `MASQUERADE`. */
export const MASQUERADE: TargetKind<MasqueradeTarget> = {
  table: 'nat',
  hooks: ['POSTROUTING'],
  render({ ports, random }) {
    const chosen = random === undefined ? '' : { ports: ' --random', fully: ' --random-fully' }[random];
    return `-j MASQUERADE${ports === undefined ? '' : ` --to-ports ${renderPorts(ports, '-')}`}${chosen}`;
  },
  parse(options) {
    const target: { ports?: PortRange; random?: 'ports' | 'fully' } = {};
    for (const { name, values } of options) {
      const ports = parsePorts(values[0] ?? '', '-');
      if (name === '--to-ports' && ports !== undefined) target.ports = ports;
      else if (name === '--random' || name === '--random-fully')
        target.random = name === '--random' ? 'ports' : 'fully';
      else return undefined;
    }
    return { target: 'MASQUERADE', ...target };
  },
  check: ({ ports }, scope) => checkPortProtocol(ports, scope),
};
