import { CONNECTION_STATES, type ConnectionState, parseConnectionStates } from '../connection-state.ts';
import { not } from '../render-words.ts';
import type { ConntrackMatch } from '../rule.ts';
import { onlyOption } from '../words.ts';
import type { MatchKind } from './match-kind.ts';

/** Packets of connections in one of the states: `connectionState('ESTABLISHED', 'RELATED')`. */
export function connectionState(...states: readonly [ConnectionState, ...ConnectionState[]]): ConntrackMatch {
  return { match: 'conntrack', states };
}

/** `-m conntrack --ctstate`, and its older name `-m state --state`. */
export const CONNTRACK: MatchKind<ConntrackMatch> = {
  render({ states, negated, alias }) {
    const [name, option] = alias === undefined ? ['conntrack', '--ctstate'] : ['state', '--state'];
    return `-m ${name} ${not(negated)}${option} ${states.join(',')}`;
  },
  parse(options, name) {
    const alias = name === 'state' ? ({ alias: 'state' } as const) : {};
    const option = onlyOption(options, name === 'state' ? '--state' : '--ctstate');
    const states = parseConnectionStates(option?.values[0] ?? '');
    if (option === undefined || states === undefined) return undefined;
    return { match: 'conntrack', states, ...alias, ...(option.negated ? { negated: true } : {}) };
  },
  list(match) {
    const states = CONNECTION_STATES.filter((state) => match.states.includes(state));
    return states.join() === match.states.join() ? match : { ...match, states };
  },
  check({ states, alias }) {
    if (states.length === 0) return 'conntrack needs a state';
    const unknown = alias && states.find((state) => state === 'SNAT' || state === 'DNAT');
    return unknown && `-m state knows no ${unknown}: leave out alias`;
  },
};
