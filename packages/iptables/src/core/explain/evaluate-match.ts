import { ADDRESS_BITS } from '../address.ts';
import { listProtocol } from '../protocol-names.ts';
import { renderMatch } from '../render-rule.ts';
import type {
  AddressMatch,
  AddressTypeMatch,
  CommentMatch,
  IcmpMatch,
  InterfaceMatch,
  MarkMatch,
  Match,
  OwnerMatch,
  ProtocolMatch,
  StatisticMatch,
  TransportMatch,
} from '../rule.ts';
import { evaluateMultiport, evaluateTransport } from './evaluate-ports.ts';
import { all, decide, type Finding, FOUND, missing, negateIf, undecided } from './finding.ts';
import { isMulticast, parseIpAddress, sharesPrefix } from './ip-address.ts';
import { currentState, hasConnection, hasTemplate, isInState, isOwnAddress, type WalkState } from './walk-state.ts';

const SETTLEABLE: ReadonlySet<Match['match']> = new Set(['owner', 'set', 'addrtype', 'in-interface', 'out-interface']);

/** Whether a packet in this state meets one condition, and if not (or not known), why. */
export function evaluateMatch(match: Match, state: WalkState): Finding {
  // A connmark of no connection, and an icmp type of another protocol, match neither way.
  if (match.match === 'connmark' && !hasConnection(state)) return missing('there is no tracked connection here');
  if ((match.match === 'icmp' || match.match === 'icmp6') && !isIcmp(match, state))
    return missing(`the protocol is ${state.facts.protocol}`);
  const negated = 'negated' in match && match.negated;
  const finding = recall(match, evaluatePositive(match, state), state);
  return negated ? negateIf(true, finding, `${conditionText(match)} is so`) : finding;
}

/** What is not known may have been settled by a rule before. */
function recall(match: Match, finding: Finding, state: WalkState): Finding {
  if (finding.truth !== 'unknown' || !isSettleable(match)) return finding;
  const text = conditionText(match);
  const settled = state.settled.get(text);
  return settled === undefined ? finding : decide(settled, `${text} is not so in this case`);
}

/** Conditions that give the same answer each time on one way, so that settling one settles its repetitions. */
export function isSettleable(match: Match): boolean {
  return SETTLEABLE.has(match.match);
}

/** Whether translating the packet's destination leaves a settled condition as it is. */
export function outlivesTranslation(text: string): boolean {
  return text.startsWith('-m owner') || text.startsWith('-i ') || text.startsWith('-o ');
}

/** The condition without its negation, as the key of what is settled. */
export function conditionText(match: Match): string {
  if (!('negated' in match)) return renderMatch(match);
  const { negated: _negated, ...positive } = match;
  return renderMatch(positive);
}

function evaluatePositive(match: Match, state: WalkState): Finding {
  return isHeaderMatch(match) ? evaluateHeader(match, state) : evaluateExtension(match, state);
}

type HeaderMatch = AddressMatch | InterfaceMatch | ProtocolMatch | TransportMatch | MarkMatch | CommentMatch;

const HEADER_MATCHES: ReadonlySet<string> = new Set<HeaderMatch['match']>([
  'source',
  'destination',
  'in-interface',
  'out-interface',
  'protocol',
  'tcp',
  'udp',
  'mark',
  'connmark',
  'comment',
]);

function isHeaderMatch(match: Match): match is HeaderMatch {
  return HEADER_MATCHES.has(match.match);
}

function evaluateHeader(match: HeaderMatch, state: WalkState): Finding {
  switch (match.match) {
    case 'source':
    case 'destination':
      return evaluateAddress(match, state);
    case 'in-interface':
    case 'out-interface':
      return evaluateInterface(match, state);
    case 'protocol':
      return evaluateProtocol(match, state);
    case 'tcp':
    case 'udp':
      return evaluateTransport(match, state);
    case 'mark':
    case 'connmark':
      return evaluateMark(match, state);
    case 'comment':
      return FOUND;
  }
}

function evaluateExtension(match: Exclude<Match, HeaderMatch>, state: WalkState): Finding {
  switch (match.match) {
    case 'multiport':
      return evaluateMultiport(match, state);
    case 'icmp':
    case 'icmp6':
      return evaluateIcmp(match, state);
    case 'conntrack':
      return evaluateConntrack(match.states, state);
    case 'owner':
      return evaluateOwner(match, state);
    case 'addrtype':
      return evaluateAddressType(match, state);
    case 'set':
      return undecided(`the members of the set ${match.set} are not in a save`);
    case 'limit':
      return undecided('it depends on how many packets came before');
    case 'statistic':
      return evaluateStatistic(match);
    case 'raw':
      return undecided(`${match.text} is not understood`);
  }
}

function evaluateAddress(match: AddressMatch, state: WalkState): Finding {
  const side = match.match === 'source' ? state.source : state.destination;
  const wanted = parseIpAddress(match.address);
  const length = match.prefixLength ?? (wanted === undefined ? 0 : ADDRESS_BITS[wanted.family]);
  if (length === 0) return FOUND;
  if (wanted === undefined || !Number.isInteger(length) || length < 0 || length > ADDRESS_BITS[wanted.family])
    return undecided(`${renderMatch(match)} is not understood`);
  if (side.address === undefined) return undecided(`${match.match} address: ${side.unknown ?? 'not known'}`);
  return decide(sharesPrefix(side.address, wanted, length), `the ${match.match} is ${side.address.text}`);
}

function evaluateInterface(match: InterfaceMatch, state: WalkState): Finding {
  const incoming = match.match === 'in-interface';
  const name = incoming ? state.inInterface : state.outInterface;
  if (match.name === '+') return FOUND;
  const direction = incoming ? 'it comes in by' : 'it leaves by';
  if (name === undefined) return undecided(`the interface ${direction} is not known`);
  const same = match.name.endsWith('+') ? name.startsWith(match.name.slice(0, -1)) : name === match.name;
  return decide(same, `${direction} ${name === '' ? 'none' : name}`);
}

function evaluateProtocol(match: ProtocolMatch, state: WalkState): Finding {
  const { protocol } = state.facts;
  const wanted = listProtocol(match.protocol);
  return decide(wanted === 'all' || wanted === protocol, `the protocol is ${protocol}`);
}

function isIcmp(match: IcmpMatch, state: WalkState): boolean {
  return state.facts.protocol === (match.match === 'icmp' ? 'icmp' : 'ipv6-icmp');
}

function evaluateIcmp(match: IcmpMatch, state: WalkState): Finding {
  const { icmp } = state.facts;
  if (icmp === undefined) return undecided('the icmp type is not given');
  const type = decide(icmp.type === match.type, `the type is ${icmp.type}`);
  if (match.code === undefined) return type;
  const code =
    icmp.code === undefined
      ? undecided('the icmp code is not given')
      : decide(icmp.code === match.code, `the code is ${icmp.code}`);
  return all([type, code]);
}

function evaluateMark(match: MarkMatch, state: WalkState): Finding {
  if (match.match === 'connmark' && hasTemplate(state))
    return undecided('before tracking, CT shares its mark among packets');
  const [name, mark] = match.match === 'mark' ? ['mark', state.mark] : ['connection mark', state.connectionMark];
  if (mark === undefined) return undecided(`the ${name} is not known any more`);
  return decide((mark & match.mark.mask) >>> 0 === match.mark.value, `the ${name} is 0x${mark.toString(16)}`);
}

function evaluateConntrack(states: Parameters<typeof isInState>[1], state: WalkState): Finding {
  const found = isInState(state, states);
  if (found === undefined) return undecided('whether the connection is translated is not given');
  const early = state.tracked ? '' : ' (connections are not tracked yet in raw)';
  return decide(found, `the state is ${currentState(state)}${early}`);
}

function evaluateOwner(match: OwnerMatch, state: WalkState): Finding {
  if (!state.hasSocket) return missing('no program of this machine made it');
  if (match.by === 'socket-exists') return FOUND;
  const [name, id] = match.by === 'user' ? ['uid', state.facts.userId] : ['gid', state.facts.groupId];
  if (id === undefined) return undecided(`the ${name} of its program is not given`);
  return decide(id >= match.first && id <= (match.last ?? match.first), `the ${name} is ${id}`);
}

function evaluateAddressType(match: AddressTypeMatch, state: WalkState): Finding {
  const { address, unknown } = match.side === 'source' ? state.source : state.destination;
  if (address === undefined) return undecided(`${match.side} address: ${unknown ?? 'not known'}`);
  const own = isOwnAddress(state, address);
  if (own !== undefined) return decide(match.types.includes('LOCAL'), `${address.text} is an address of this machine`);
  if (isMulticast(address)) return decide(match.types.includes('MULTICAST'), `${address.text} is a multicast address`);
  return undecided(`what the routing tables say of ${address.text} is not known (host ${address.text} would tell)`);
}

function evaluateStatistic(match: StatisticMatch): Finding {
  if (match.mode === 'random' && (match.probability === 0 || match.probability === 1))
    return decide(match.probability === 1, 'the probability is 0');
  if (match.mode === 'nth' && match.every === 1) return FOUND;
  return undecided(match.mode === 'random' ? 'it is left to chance' : 'it depends on how many packets came before');
}
