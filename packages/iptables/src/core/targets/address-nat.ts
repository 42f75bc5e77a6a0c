import { listAddress, parseAddress } from '../address.ts';
import { notAnAddress } from '../matches/address.ts';
import type { RuleScope } from '../matches/match-kind.ts';
import { parsePorts, renderPorts } from '../ports.ts';
import { word } from '../render-words.ts';
import type { DestinationNatTarget, PortRange, SourceNatTarget } from '../rule.ts';
import { type Option, onlyOption } from '../words.ts';
import { checkPortProtocol } from './nat-ports.ts';
import type { TargetKind } from './target-kind.ts';

type NatPlace = Pick<DestinationNatTarget, 'address' | 'ports'>;

/** Another destination address, and other ports where given (then the rule needs a protocol). PREROUTING and OUTPUT of nat. */
export function dnat(address: string, ports?: number | PortRange): DestinationNatTarget {
  return { target: 'DNAT', ...place(address, ports) };
}

/** Another source address, and other ports where given (then the rule needs a protocol). INPUT and POSTROUTING of nat. */
export function snat(address: string, ports?: number | PortRange): SourceNatTarget {
  return { target: 'SNAT', ...place(address, ports) };
}

/** `DNAT`. */
export const DNAT: TargetKind<DestinationNatTarget> = {
  table: 'nat',
  hooks: ['PREROUTING', 'OUTPUT'],
  render: (target) => `-j DNAT --to-destination ${renderPlace(target)}`,
  parse(options) {
    const found = parsePlace(options, '--to-destination');
    return found && { target: 'DNAT', ...found };
  },
  list(target, family) {
    const address = listAddress(target.address, family);
    return address === target.address ? target : { ...target, address };
  },
  check: checkPlace,
};

/** `SNAT`. */
export const SNAT: TargetKind<SourceNatTarget> = {
  table: 'nat',
  hooks: ['INPUT', 'POSTROUTING'],
  render: (target) => `-j SNAT --to-source ${renderPlace(target)}`,
  parse(options) {
    const found = parsePlace(options, '--to-source');
    return found && { target: 'SNAT', ...found };
  },
  list(target, family) {
    const address = listAddress(target.address, family);
    return address === target.address ? target : { ...target, address };
  },
  check: checkPlace,
};

function place(address: string, ports: number | PortRange | undefined): NatPlace {
  if (ports === undefined) return { address };
  return { address, ports: typeof ports === 'number' ? { first: ports } : ports };
}

function renderPlace({ address, ports }: NatPlace): string {
  if (ports === undefined) return word(address);
  return `${address.includes(':') ? `[${word(address)}]` : word(address)}:${renderPorts(ports, '-')}`;
}

function parsePlace(options: readonly Option[], name: string): NatPlace | undefined {
  const text = onlyOption(options, name)?.values[0];
  if (text === undefined) return undefined;
  const colon = text.lastIndexOf(':');
  if (text.startsWith('[')) return parseBoth(text.slice(1, colon - 1), text.slice(colon + 1));
  const both = colon !== -1 && colon === text.indexOf(':');
  return both ? parseBoth(text.slice(0, colon), text.slice(colon + 1)) : parseBoth(text, undefined);
}

/** A range of addresses is not data of ours, and stays words. */
function parseBoth(address: string, numbers: string | undefined): NatPlace | undefined {
  if (!/^[0-9a-fA-F:.]+$/.test(address)) return undefined;
  if (numbers === undefined) return { address };
  const ports = parsePorts(numbers, '-');
  return ports && { address, ports };
}

function checkPlace({ address, ports }: NatPlace, scope: RuleScope): string | undefined {
  if (parseAddress(address, scope.family) === undefined) return notAnAddress(address, scope.family);
  return checkPortProtocol(ports, scope);
}
