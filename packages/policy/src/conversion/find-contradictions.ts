import type { Clause, Match, Rule } from '../policy.ts';

/** Ports that are tried: rules made by programs may have thousands. */
const MOST_PORTS = 256;

/**
 * What keeps a rule from ever holding, as its conditions on the port exclude each other; undefined if nothing is found.
 * Tried are the ports of a part of the rule that holds for few.
 */
export function findContradiction(rule: Rule): string | undefined {
  const few = rule.map(listPorts).find(({ length }) => length > 0 && length <= MOST_PORTS);
  if (few === undefined) return undefined;
  let ports = few;
  for (const clause of rule) ports = ports.filter((port) => admits(clause, port));
  return ports.length === 0 ? 'its conditions on the destination port exclude each other' : undefined;
}

/** All ports with which a clause can hold, and perhaps others; none if it says too little of them. */
function listPorts(clause: Clause): readonly number[] {
  const lists = clause.map(({ destinationPorts = [] }) => destinationPorts);
  return lists.every(({ length }) => length > 0) ? lists.flat() : [];
}

function admits(clause: Clause, port: number): boolean {
  return clause.length === 0 || clause.some((match) => admitsPort(match, port));
}

function admitsPort({ destinationPorts = [], notDestinationPorts = [] }: Match, port: number): boolean {
  return (destinationPorts.length === 0 || destinationPorts.includes(port)) && !notDestinationPorts.includes(port);
}
