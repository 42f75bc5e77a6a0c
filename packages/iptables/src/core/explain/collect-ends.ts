import type { PacketAtEnd, PossibleEnd } from './explanation.ts';
import { isShortened, join, listAlternatives, type Possibility } from './possibility.ts';
import type { EarlyEnd } from './walk-log.ts';
import { renderSide, type Side, stateKey, type WalkState } from './walk-state.ts';

type RawEnd = Omit<EarlyEnd, 'end' | 'by'> & Pick<PossibleEnd, 'end' | 'by'>;

/** More ends than a person reads are not told. */
const MOST_ENDS = 64;

/** All ends, each once, with every way to it; `cut` where there are too many: those the packet lives on after come first. */
export function collectEnds(found: {
  readonly early: readonly EarlyEnd[];
  readonly delivered: readonly Possibility[];
  readonly sent: readonly Possibility[];
}): { readonly ends: readonly PossibleEnd[]; readonly cut: boolean } {
  const all: readonly RawEnd[] = [
    ...found.early,
    ...found.delivered.map(
      (possibility) => ({ end: 'delivered', text: delivery(possibility.state), possibility }) as const,
    ),
    ...found.sent.map((possibility) => ({ end: 'sent', text: sending(possibility.state), possibility }) as const),
  ];
  const byText = new Map<string, RawEnd[]>();
  for (const end of all) {
    // What has gone, has gone: the packet's state counts only where it lives on.
    const key = end.by === undefined ? `${end.text} ${stateKey(end.possibility.state)}` : end.text;
    const same = byText.get(key);
    if (same === undefined) byText.set(key, [end]);
    else same.push(end);
  }
  const groups = [...byText.values()];
  const lives = groups.filter(([first]) => first?.by === undefined);
  const early = groups.filter(([first]) => first?.by !== undefined);
  const kept = [...early.slice(0, Math.max(0, MOST_ENDS - lives.length)), ...lives];
  const ends = kept.flatMap(([first, ...others]) => (first === undefined ? [] : [joinEnds(first, others)]));
  return { ends, cut: kept.length < groups.length };
}

function joinEnds({ end, text, by, possibility }: RawEnd, others: readonly RawEnd[]): PossibleEnd {
  const joined = others.reduce((all, other) => join(all, other.possibility), possibility);
  const packets = others.map((other) => packetAtEnd(other.possibility.state));
  return {
    end,
    text,
    ...(by === undefined ? {} : { by }),
    packet: packets.reduce(inCommon, packetAtEnd(possibility.state)),
    conditions: listAlternatives(joined),
    incomplete: isShortened(joined),
  };
}

/** What both packets have; the rest is not known. */
function inCommon(a: PacketAtEnd, b: PacketAtEnd): PacketAtEnd {
  const { inInterface, outInterface, mark, connectionMark } = a;
  return {
    source: a.source === b.source ? a.source : '?',
    destination: a.destination === b.destination ? a.destination : '?',
    ...(inInterface !== undefined && inInterface === b.inInterface ? { inInterface } : {}),
    ...(outInterface !== undefined && outInterface === b.outInterface ? { outInterface } : {}),
    ...(mark !== undefined && mark === b.mark ? { mark } : {}),
    ...(connectionMark !== undefined && connectionMark === b.connectionMark ? { connectionMark } : {}),
  };
}

function delivery({ destination, transparent }: WalkState): string {
  if (transparent === undefined) return `delivered to ${localEndpoint(destination)}`;
  const { address, port } = transparent;
  const own = address === '0.0.0.0' || address === '::';
  return `delivered to the transparent socket at ${own ? `port ${port}` : `${address} port ${port}`}, its destination still ${renderSide(destination)}`;
}

function localEndpoint(destination: Side): string {
  if (destination.address !== undefined) return `${renderSide(destination)} on this machine`;
  return destination.port === undefined ? 'this machine' : `port ${destination.port} of this machine`;
}

function sending({ source, destination, outInterface }: WalkState): string {
  const by = outInterface ? outInterface : 'an interface that is not known';
  return `sent by ${by} from ${renderSide(source)} to ${renderSide(destination)}`;
}

function packetAtEnd(state: WalkState): PacketAtEnd {
  const { inInterface, outInterface, mark, connectionMark } = state;
  return {
    source: renderSide(state.source),
    destination: renderSide(state.destination),
    ...(inInterface ? { inInterface } : {}),
    ...(outInterface ? { outInterface } : {}),
    ...(mark === undefined ? {} : { mark }),
    ...(connectionMark === undefined ? {} : { connectionMark }),
  };
}
