import type { Policy } from '../policy.ts';

const MAX_PORT = 65_535;

/**
 * Ports that stand for all: each that one of `policies` names, and one that none does. Whatever holds for these holds for
 * every port.
 */
export function possiblePorts(policies: Iterable<Policy>): readonly number[] {
  const named = new Set<number>();
  for (const { rules } of policies)
    for (const match of rules.flat(2))
      for (const port of [...(match.destinationPorts ?? []), ...(match.notDestinationPorts ?? [])]) named.add(port);
  for (let port = MAX_PORT; port > 0; port--) if (!named.has(port)) return [...named.add(port)];
  return [...named];
}
