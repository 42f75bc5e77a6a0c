import { IptablesError } from '../../errors.ts';
import type { Family, Match } from '../rule.ts';
import { ADDRESS } from './address.ts';
import { ADDRTYPE } from './addrtype.ts';
import { COMMENT } from './comment.ts';
import { CONNTRACK } from './conntrack.ts';
import { ICMP } from './icmp.ts';
import { INTERFACE } from './interface.ts';
import { LIMIT } from './limit.ts';
import { MARK } from './mark.ts';
import type { MatchKind, RuleScope } from './match-kind.ts';
import { MULTIPORT } from './multiport.ts';
import { OWNER } from './owner.ts';
import { PROTOCOL } from './protocol.ts';
import { RAW } from './raw.ts';
import { SET } from './set.ts';
import { STATISTIC } from './statistic.ts';
import { TRANSPORT } from './transport.ts';

type Named<K, M = Match> = M extends Match ? (K extends M['match'] ? M : never) : never;

/** Extensions by the name after `-m`, which is the discriminator of their data. */
const EXTENSIONS = {
  tcp: TRANSPORT,
  udp: TRANSPORT,
  multiport: MULTIPORT,
  icmp: ICMP,
  icmp6: ICMP,
  mark: MARK,
  connmark: MARK,
  conntrack: CONNTRACK,
  owner: OWNER,
  set: SET,
  addrtype: ADDRTYPE,
  limit: LIMIT,
  statistic: STATISTIC,
  comment: COMMENT,
} as const;

const KINDS = {
  source: ADDRESS,
  destination: ADDRESS,
  'in-interface': INTERFACE,
  'out-interface': INTERFACE,
  protocol: PROTOCOL,
  ...EXTENSIONS,
  raw: RAW,
} as const satisfies { readonly [K in Match['match']]: MatchKind<Named<K>> };

/** Matches by their option, in the order iptables lists them: before all others. */
const CORE = ['-s', '-d', '-i', '-o', '-p'] as const;
const CORE_KINDS = { '-s': ADDRESS, '-d': ADDRESS, '-i': INTERFACE, '-o': INTERFACE, '-p': PROTOCOL } as const;
const CORE_RANKS: ReadonlyMap<Match['match'], number> = new Map(
  (['source', 'destination', 'in-interface', 'out-interface', 'protocol'] as const).map((name, rank) => [name, rank]),
);
const FRAGMENT_RANK = CORE_RANKS.size;
const EXTENSION_RANK = FRAGMENT_RANK + 1;

const BY_NAME: ReadonlyMap<string, MatchKind<Match>> = new Map<string, MatchKind<Match>>([
  ...Object.entries(EXTENSIONS),
  ['state', CONNTRACK],
]);
const BY_OPTION: ReadonlyMap<string, MatchKind<Match>> = new Map<string, MatchKind<Match>>(
  CORE.map((option) => [option, CORE_KINDS[option]]),
);

/** The extension that `-m name` loads, if this package has data for it. */
export function extensionNamed(name: string): MatchKind<Match> | undefined {
  return BY_NAME.get(name);
}

/** The match behind one of `-s -d -i -o -p`. */
export function coreMatchOf(option: string): MatchKind<Match> | undefined {
  return BY_OPTION.get(option);
}

/** Text of one match, such as `! -d 127.0.0.1/32`. Throws `IPTABLES_RULE_INVALID`. */
export function renderMatch(match: Match): string {
  return kindOf(match).render(match);
}

/** One match in the spelling of `iptables-save`: the same object if it is so already, undefined if nothing is printed. */
export function listMatch(match: Match, family: Family): Match | undefined {
  const kind = kindOf(match);
  return kind.list === undefined ? match : kind.list(match, family);
}

/** Place of a match in a listing: those of a lower rank come first, those of the same rank in the order written. */
export function listRank(match: Match): number {
  if (match.match === 'raw') return match.text === '-f' || match.text === '! -f' ? FRAGMENT_RANK : EXTENSION_RANK;
  return CORE_RANKS.get(match.match) ?? EXTENSION_RANK;
}

/** Whether a rule can have the match only once: addresses, interfaces and protocol. */
export function isCoreMatch(match: Match): boolean {
  return CORE_RANKS.has(match.match);
}

/** Why the match is not possible there; undefined where it is. */
export function checkMatch(match: Match, scope: RuleScope): string | undefined {
  return kindOf(match).check?.(match, scope);
}

function kindOf(match: Match): MatchKind<Match> {
  const kind: MatchKind<Match> | undefined = KINDS[match.match];
  if (kind !== undefined) return kind;
  throw new IptablesError(
    'IPTABLES_RULE_INVALID',
    `there is no match ${JSON.stringify(match)} (rawMatch takes any words)`,
  );
}
