import type { DestinationNatTarget, MasqueradeTarget, PortRange, RedirectTarget, SourceNatTarget } from '../rule.ts';
import type { Effect } from './apply-target.ts';
import { outlivesTranslation } from './evaluate-match.ts';
import { type IpAddress, parseIpAddress, sharesPrefix } from './ip-address.ts';
import { isOwnAddress, renderSide, type Side, type WalkState } from './walk-state.ts';

type NatTarget =
  | Omit<RedirectTarget, 'toPorts'>
  | RedirectTarget
  | DestinationNatTarget
  | SourceNatTarget
  | MasqueradeTarget;

/** The new address, with ports as text (`10.0.0.1:80-90`) where the target was not fully understood. */
export function translate(target: NatTarget, state: WalkState, hook: string, text?: string): Effect {
  switch (target.target) {
    case 'REDIRECT': {
      const ports = 'toPorts' in target ? target.toPorts : readPorts(text);
      return changeDestination(state, redirected(state, hook, ports), hook, true);
    }
    case 'DNAT':
      return changeDestination(state, moved(state.destination, text ?? target.address, target.ports), hook);
    case 'SNAT':
      return changeSource(state, moved(state.source, text ?? target.address, target.ports));
    case 'MASQUERADE': {
      const address = { unknown: 'that of the interface it leaves by' };
      return changeSource(state, withPort(address, state.source, target.ports ?? readPorts(text)));
    }
  }
}

/** nf_nat_redirect: to loopback in OUTPUT, else to the address of the interface it came in by. */
function redirected(state: WalkState, hook: string, ports: PortRange | undefined): Side {
  const { family, hosts } = state.facts;
  const loopback = parseIpAddress(family === 'ipv6' ? '::1' : '127.0.0.1');
  const [host, other] = hosts.filter((address) => address.family === family);
  const address = hook === 'OUTPUT' ? loopback : other === undefined ? host : undefined;
  const side = address === undefined ? { unknown: 'that of the interface it came in by' } : { address };
  return withPort(side, state.destination, ports);
}

function moved(old: Side, text: string, ports: PortRange | undefined): Side {
  const [, address = text, portText] = /^(?:\[([^\]]*)\]|([^:]*))(?::([\d-]+))?$/.exec(text)?.filter(isText) ?? [];
  const parsed = parseIpAddress(address);
  const side = parsed === undefined ? { unknown: `one of ${text}` } : { address: parsed };
  return withPort(side, old, ports ?? readPorts(portText));
}

function isText(value: string | undefined): value is string {
  return value !== undefined;
}

/** Of a range the kernel takes any; without ports the port stays, where it is free. */
function withPort(side: Pick<Side, 'address' | 'unknown'>, old: Side, ports: PortRange | undefined): Side {
  if (ports !== undefined) return ports.last === undefined ? { ...side, port: ports.first } : side;
  return old.port === undefined ? side : { ...side, port: old.port };
}

function readPorts(text: string | undefined): PortRange | undefined {
  const found = /^(\d+)(?:-(\d+))?$/.exec(text ?? '');
  if (found === null) return undefined;
  return { first: Number(found[1]), ...(found[2] === undefined ? {} : { last: Number(found[2]) }) };
}

function changeDestination(state: WalkState, destination: Side, hook: string, toThisMachine?: true): Effect {
  const next = unsettle({ ...state, destination, destinationTranslated: differs(state.destination, destination) });
  const address: IpAddress | undefined = destination.address;
  const local = toThisMachine ?? isOwnAddress(next, address);
  return {
    kind: 'accept',
    state: { ...next, forThisMachine: local, rerouted: hook === 'OUTPUT' },
    change: `destination is now ${describe(destination)}`,
  };
}

function changeSource(state: WalkState, source: Side): Effect {
  return {
    kind: 'accept',
    state: unsettle({ ...state, source, sourceTranslated: differs(state.source, source) }),
    change: `source is now ${describe(source)}`,
  };
}

/** To what it is already, nothing is translated: the connection is not in state SNAT or DNAT then. */
function differs(before: Side, after: Side): boolean | undefined {
  if (before.port !== undefined && after.port !== undefined && before.port !== after.port) return true;
  if (before.address === undefined || after.address === undefined) return undefined;
  if (!sharesPrefix(before.address, after.address)) return true;
  return before.port === after.port && after.port !== undefined ? false : undefined;
}

function describe(side: Side): string {
  return side.unknown === undefined ? renderSide(side) : `${renderSide(side)} (? is ${side.unknown})`;
}

function unsettle(state: WalkState): WalkState {
  const settled = [...state.settled].filter(([text]) => outlivesTranslation(text));
  return settled.length === state.settled.size ? state : { ...state, settled: new Map(settled) };
}
