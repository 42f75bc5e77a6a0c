import { IptablesError } from '../errors.ts';
import type { Match, ProtocolMatch, TransportMatch } from './rule.ts';

type Negatable = Extract<Match, { readonly negated?: true }>;
type WithProtocol<M> = readonly [ProtocolMatch, M];

/** The match itself where it can be turned around, else words for the compiler to show. */
type CheckedMatch<M> = M extends Negatable | WithProtocol<Negatable>
  ? M
  : M extends WithProtocol<Match>
    ? 'ports are turned around one by one: tcp({ to: { not: 22 } })'
    : 'this match has no opposite';

type Negated<M> =
  M extends WithProtocol<infer N> ? WithProtocol<N & { readonly negated: true }> : M & { readonly negated: true };

/**
 * The opposite of a match: `negate(source('10.0.0.0/8'))` is every other source. Of a match with its protocol, such as
 * `icmp(8)`, only the match is turned around. Ports are turned around one by one: `tcp({ to: { not: 22 } })`. Throws
 * `IPTABLES_RULE_INVALID` for what cannot be turned around, if the compiler was not asked.
 */
export function negate<const M extends Match | WithProtocol<Match>>(match: CheckedMatch<M>): Negated<M>;
export function negate(match: Match | WithProtocol<Match>): Match | WithProtocol<Match> {
  return 'match' in match ? turned(match) : [match[0], turned(match[1])];
}

function turned(match: Match): Match {
  if (isTransport(match)) throw invalid(`ports are turned around one by one: ${match.match}({ to: { not: 22 } })`);
  if (match.match === 'raw' || match.match === 'comment' || match.match === 'limit')
    throw invalid(`a match of ${match.match} has no opposite`);
  return { ...match, negated: true };
}

function isTransport(match: Match): match is TransportMatch {
  return match.match === 'tcp' || match.match === 'udp';
}

function invalid(what: string): IptablesError {
  return new IptablesError('IPTABLES_RULE_INVALID', what);
}
