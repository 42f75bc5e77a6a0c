import type { Match, ProtocolMatch } from './rule.ts';

type Negatable = Extract<Match, { readonly negated?: true }>;

/**
 * The opposite of a match: `negate(source('10.0.0.0/8'))` is every other source. Of a match with its protocol, such as
 * `icmp(8)`, only the match is turned around. Ports are turned around with `{ not: … }`.
 */
export function negate<M extends Negatable>(match: M): M & { readonly negated: true };
export function negate<M extends Negatable>(
  match: readonly [ProtocolMatch, M],
): readonly [ProtocolMatch, M & { readonly negated: true }];
export function negate(
  match: Negatable | readonly [ProtocolMatch, Negatable],
): Negatable | readonly [ProtocolMatch, Negatable] {
  return 'match' in match ? { ...match, negated: true } : [match[0], { ...match[1], negated: true }];
}
