import { renderPort } from '../ports.ts';
import type { ConntrackTarget } from '../rule.ts';
import type { TargetKind } from './target-kind.ts';

/** Tracks the connection in a zone of its own, 1 to 65535. raw only. */
export function conntrackZone(zone: number): ConntrackTarget {
  return { target: 'CT', zone };
}

/** Does not track the connection. raw only. */
export function noTrack(): ConntrackTarget {
  return { target: 'CT', zone: 'none' };
}

/** `CT`. */
export const CT: TargetKind<ConntrackTarget> = {
  table: 'raw',
  render: ({ zone }) => (zone === 'none' ? '-j CT --notrack' : `-j CT --zone ${renderPort(zone, 'zone')}`),
  parse([option]) {
    if (option?.name === '--notrack') return { target: 'CT', zone: 'none' };
    return option?.name === '--zone' ? { target: 'CT', zone: Number(option.values[0]) } : undefined;
  },
  // The zone that connections are in anyway is not printed.
  list: (target) => (target.zone === 0 ? { target: 'raw', text: 'CT' } : target),
};
