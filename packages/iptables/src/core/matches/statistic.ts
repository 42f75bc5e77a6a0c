import { IptablesError } from '../../errors.ts';
import { count, not } from '../render-words.ts';
import type { StatisticMatch } from '../rule.ts';
import type { MatchKind } from './match-kind.ts';

/** As iptables prints probabilities. */
const DIGITS = 11;
/** The kernel keeps a probability in 31 bits. */
const WHOLE = 0x8000_0000;

/** A share of all packets, by chance: `byChance(0.5)` is every second one on average. */
export function byChance(probability: number): StatisticMatch {
  return { match: 'statistic', mode: 'random', probability };
}

/** One of each `every` packets in turn, the one of number `packet` (from 0). */
export function byTurns(every: number, packet = 0): StatisticMatch {
  return { match: 'statistic', mode: 'nth', every, packet };
}

/** `-m statistic`. */
export const STATISTIC: MatchKind<StatisticMatch> = {
  render(match) {
    const mode = `-m statistic --mode ${match.mode} ${not(match.negated)}`;
    if (match.mode === 'nth')
      return `${mode}--every ${count(match.every, 'every')} --packet ${count(match.packet, 'packet')}`;
    if (match.probability >= 0 && match.probability <= 1)
      return `${mode}--probability ${match.probability.toFixed(DIGITS)}`;
    throw new IptablesError('IPTABLES_RULE_INVALID', `probability ${match.probability}: want 0 to 1`);
  },
  parse([mode, option, packet]) {
    if (mode?.name !== '--mode' || option === undefined) return undefined;
    const negated = option.negated ? ({ negated: true } as const) : {};
    const number = Number(option.values[0]);
    if (mode.values[0] === 'random') return { match: 'statistic', mode: 'random', probability: number, ...negated };
    return { match: 'statistic', mode: 'nth', every: number, packet: Number(packet?.values[0]), ...negated };
  },
  list(match) {
    if (match.mode === 'nth') return match;
    const probability = Number((Math.round(match.probability * WHOLE) / WHOLE).toFixed(DIGITS));
    return probability === match.probability ? match : { ...match, probability };
  },
  check(match) {
    if (match.mode === 'random') return undefined;
    if (match.every < 1) return 'every 0 packets: want 1 or more';
    return match.packet < match.every
      ? undefined
      : `packet ${match.packet} of ${match.every}: want a lower one, from 0`;
  },
};
