import type { PacketAtEnd, PossibleEnd } from './explanation.ts';
import { join, listAlternatives, type Possibility } from './possibility.ts';
import type { EarlyEnd } from './walk-chain.ts';
import { renderSide, type Side, stateKey, type WalkState } from './walk-state.ts';

type RawEnd = Omit<EarlyEnd, 'end' | 'by'> & Pick<PossibleEnd, 'end' | 'by'>;

/** All ends, each once, with every way to it. */
export function collectEnds(found: {
  readonly early: readonly EarlyEnd[];
  readonly delivered: readonly Possibility[];
  readonly sent: readonly Possibility[];
}): readonly PossibleEnd[] {
  const all: readonly RawEnd[] = [
    ...found.early,
    ...found.delivered.map(
      (possibility) => ({ end: 'delivered', text: delivery(possibility.state), possibility }) as const,
    ),
    ...found.sent.map((possibility) => ({ end: 'sent', text: sending(possibility.state), possibility }) as const),
  ];
  const byKey = new Map<string, RawEnd>();
  for (const end of all) {
    const key = `${end.text} ${stateKey(end.possibility.state)}`;
    const known = byKey.get(key);
    byKey.set(key, known === undefined ? end : { ...known, possibility: join(known.possibility, end.possibility) });
  }
  return [...byKey.values()].map(({ end, text, by, possibility }) => ({
    end,
    text,
    ...(by === undefined ? {} : { by }),
    packet: packetAtEnd(possibility.state),
    conditions: listAlternatives(possibility),
    incomplete: possibility.incomplete,
  }));
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
  const by = outInterface === undefined || outInterface === '' ? 'an interface that is not known' : outInterface;
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
