import { count } from '../render-words.ts';
import type { LimitMatch } from '../rule.ts';
import type { MatchKind } from './match-kind.ts';

/** Ticks of the kernel's clock in one second: rates are kept as ticks for each packet. */
const TICKS_PER_SECOND = 10_000;
const DEFAULT_BURST = 5;
const HIGHEST_BURST = 10_000;
/** From the longest to the shortest, as iptables tries them when it lists. */
const UNITS = [
  { per: 'day', seconds: 86_400 },
  { per: 'hour', seconds: 3_600 },
  { per: 'min', seconds: 60 },
  { per: 'sec', seconds: 1 },
] as const satisfies readonly { readonly per: LimitMatch['per']; readonly seconds: number }[];

/** No more than `packets` in a second, minute, hour or day, after a first burst: `limit(3, 'min')`. */
export function limit(packets: number, per: LimitMatch['per'], burst?: number): LimitMatch {
  return { match: 'limit', packets, per, ...(burst === undefined ? {} : { burst }) };
}

/** `-m limit`. */
export const LIMIT: MatchKind<LimitMatch> = {
  render({ packets, per, burst }) {
    return `-m limit --limit ${count(packets, 'rate')}/${per}${burst === undefined ? '' : ` --limit-burst ${count(burst, 'burst')}`}`;
  },
  parse([rate, burst]) {
    const found = /^(\d+)\/(sec|min|hour|day)$/.exec(rate?.values[0] ?? '');
    if (rate?.name !== '--limit' || found === null) return undefined;
    const unit = UNITS.find(({ per }) => per === found[2]);
    if (unit === undefined || (burst !== undefined && burst.name !== '--limit-burst')) return undefined;
    const packets = Number(found[1]);
    return { match: 'limit', packets, per: unit.per, ...(burst && { burst: Number(burst.values[0]) }) };
  },
  list(match) {
    const ticks = ticksPerPacket(match);
    // As print_rate of libxt_limit: the shortest unit that loses little.
    let listed: (typeof UNITS)[number] = UNITS[0];
    for (const unit of UNITS.slice(1)) {
      const whole = unit.seconds * TICKS_PER_SECOND;
      if (ticks > whole || Math.floor(whole / ticks) < whole % ticks) break;
      listed = unit;
    }
    const packets = Math.floor((listed.seconds * TICKS_PER_SECOND) / ticks);
    const burst = match.burst === DEFAULT_BURST ? undefined : match.burst;
    if (packets === match.packets && listed.per === match.per && burst === match.burst) return match;
    return { match: 'limit', packets, per: listed.per, ...(burst === undefined ? {} : { burst }) };
  },
  check(match) {
    if (!(match.packets > 0) || ticksPerPacket(match) < 1)
      return `${match.packets} a ${match.per}: want more than none and at most ${TICKS_PER_SECOND} a sec`;
    const { burst = DEFAULT_BURST } = match;
    return burst < 1 || burst > HIGHEST_BURST ? `burst ${burst}: want 1 to ${HIGHEST_BURST}` : undefined;
  },
};

function ticksPerPacket({ packets, per }: LimitMatch): number {
  const seconds = UNITS.find((unit) => unit.per === per)?.seconds ?? 1;
  return Math.floor((TICKS_PER_SECOND * seconds) / packets);
}
