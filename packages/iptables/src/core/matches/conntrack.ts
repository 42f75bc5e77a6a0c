import { CONNECTION_STATES, type ConnectionState, parseConnectionStates } from '../connection-state.ts';
import { not } from '../render-words.ts';
import type { ConntrackMatch } from '../rule.ts';
import { onlyOption } from '../words.ts';
import type { MatchKind } from './match-kind.ts';

/** Packets of connections in one of the states: `connectionState('ESTABLISHED', 'RELATED')`. */
export function connectionState(...states: readonly [ConnectionState, ...ConnectionState[]]): ConntrackMatch {
  return { match: 'conntrack', states };
}

/** `-m conntrack --ctstate`. */
export const CONNTRACK: MatchKind<ConntrackMatch> = {
  render: ({ states, negated }) => `-m conntrack ${not(negated)}--ctstate ${states.join(',')}`,
  parse(options) {
    const option = onlyOption(options, '--ctstate');
    const states = parseConnectionStates(option?.values[0] ?? '');
    if (option === undefined || states === undefined) return undefined;
    return option.negated ? { match: 'conntrack', states, negated: true } : { match: 'conntrack', states };
  },
  list(match) {
    const states = CONNECTION_STATES.filter((state) => match.states.includes(state));
    return states.join() === match.states.join() ? match : { ...match, states };
  },
  check: ({ states }) => (states.length === 0 ? 'conntrack needs a state' : undefined),
};
