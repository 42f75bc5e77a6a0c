import { renderPort } from '../ports.ts';
import type { SegmentSizeTarget } from '../rule.ts';
import type { TargetKind } from './target-kind.ts';

/** Where the way out, and so what the path allows, is known. */
const HOOKS: readonly string[] = ['FORWARD', 'OUTPUT', 'POSTROUTING'];

/** Sets the maximum segment size in a SYN, to bytes or to what the path allows; wants `tcp({ flags: 'syn' })`. */
export function segmentSize(size: number | 'path'): SegmentSizeTarget {
  return { target: 'TCPMSS', size };
}

/** `TCPMSS`. */
export const TCPMSS: TargetKind<SegmentSizeTarget> = {
  render: ({ size }) =>
    `-j TCPMSS ${size === 'path' ? '--clamp-mss-to-pmtu' : `--set-mss ${renderPort(size, 'segment size')}`}`,
  parse([option]) {
    if (option?.name === '--clamp-mss-to-pmtu') return { target: 'TCPMSS', size: 'path' };
    return option?.name === '--set-mss' ? { target: 'TCPMSS', size: Number(option.values[0]) } : undefined;
  },
  check({ size }, { protocol, hooks }) {
    if (protocol !== 'tcp') return 'TCPMSS needs -p tcp';
    const wrong = [...hooks].find((hook) => !HOOKS.includes(hook));
    return size === 'path' && wrong !== undefined ? `the path of packets of ${wrong} is not known` : undefined;
  },
};
