import { FULL_MASK, renderMask } from '../mark.ts';
import type { ConntrackMatch, LimitMatch, MarkMatch, Match, OwnerMatch, StatisticMatch } from '../rule.ts';
import { always, type Conditions, only, unequal } from './condition.ts';
import { noNftForm } from './no-nft-form.ts';

const STATE_MATCHES: readonly Match['match'][] = ['mark', 'connmark', 'conntrack', 'owner', 'limit', 'statistic'];
/** States that nftables keeps as status bits of the connection. */
const STATUS_BITS: readonly string[] = ['SNAT', 'DNAT'];
const LIMIT_UNITS = { sec: 'second', min: 'minute', hour: 'hour', day: 'day' } as const;
/** Of iptables, where a rule does not say. */
const DEFAULT_BURST = 5;
/** The kernel compares 31 random bits. */
const PROBABILITY_ONE = 0x8000_0000;

/** A match that looks at what is not in the packet itself. */
export type StateMatch = MarkMatch | ConntrackMatch | OwnerMatch | LimitMatch | StatisticMatch;

/** Whether {@link translateStateMatch} is for it. */
export function isStateMatch(match: Match): match is StateMatch {
  return STATE_MATCHES.includes(match.match);
}

/** Mark, connection, socket, speed or chance. Throws `IPTABLES_RULE_INVALID`. */
export function translateStateMatch(match: StateMatch): Conditions {
  switch (match.match) {
    case 'mark':
    case 'connmark':
      return translateMark(match);
    case 'conntrack':
      return translateConntrack(match);
    case 'owner':
      return translateOwner(match);
    case 'limit':
      return translateLimit(match);
    case 'statistic':
      return translateStatistic(match);
  }
}

function translateMark(match: MarkMatch): Conditions {
  const key = match.match === 'mark' ? 'meta mark' : 'ct mark';
  const { value, mask } = match.mark;
  if (mask === 0 && match.match === 'mark') return always((value === 0) === (match.negated === true));
  const masked = mask === FULL_MASK ? '' : ` & ${renderMask(mask)}`;
  return only(`${key}${masked} ${match.negated === true ? '!=' : '=='} ${renderMask(value)}`);
}

function translateConntrack(match: ConntrackMatch): Conditions {
  const names = match.states.map((state) => state.toLowerCase());
  const bits = match.states.filter((state) => STATUS_BITS.includes(state));
  if (names.length === 0) throw noNftForm('no connection state');
  if (bits.length === 0) {
    if (match.negated !== true) return only(`ct state ${names.join(',')}`);
    return only(`ct state != ${names.length === 1 ? names.join('') : `{ ${names.join(', ')} }`}`);
  }
  // `! --ctstate DNAT` also takes packets without connection, which `ct status` never does.
  if (match.negated === true || bits.length < names.length)
    throw noNftForm(`${match.negated === true ? '! ' : ''}--ctstate ${match.states.join(',')}`);
  return only(`ct status ${names.join(',')}`);
}

function translateOwner(match: OwnerMatch): Conditions {
  if (match.by === 'socket-exists') throw noNftForm('--socket-exists');
  // iptables counts packets without socket as "another user's", nftables as nobody's.
  if (match.negated === true) throw noNftForm(`owner ! --${match.by === 'user' ? 'uid' : 'gid'}-owner`);
  const ids = match.last === undefined ? `${match.first}` : `${match.first}-${match.last}`;
  return only(`meta ${match.by === 'user' ? 'skuid' : 'skgid'} ${ids}`);
}

function translateLimit(match: LimitMatch): Conditions {
  const burst = match.burst ?? DEFAULT_BURST;
  return only(`limit rate ${match.packets}/${LIMIT_UNITS[match.per]} burst ${burst} packets`, { counting: true });
}

function translateStatistic(match: StatisticMatch): Conditions {
  if (match.mode === 'nth') {
    if (match.every < 1 || match.packet >= match.every) throw noNftForm(`packet ${match.packet} of ${match.every}`);
    return only(`numgen inc mod ${match.every} ${unequal(match)}${match.packet}`, { counting: true });
  }
  const threshold = Math.round(match.probability * PROBABILITY_ONE);
  if (!(threshold >= 0 && threshold <= PROBABILITY_ONE)) throw noNftForm(`probability ${match.probability}`);
  if (threshold === PROBABILITY_ONE) return always(match.negated);
  if (threshold === 0) return always(match.negated !== true);
  return only(`numgen random mod ${PROBABILITY_ONE} ${match.negated === true ? '>=' : '<'} ${threshold}`);
}
