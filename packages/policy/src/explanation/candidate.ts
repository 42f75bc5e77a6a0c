import { MAX_PORT } from '../matching/port.ts';
import { isPossibleIdentity } from '../matching/subject.ts';
import type { AddressRange, Connection, SourceIdentity } from '../policy.ts';
import { addressesIn, addressesOutside } from './candidate-address.ts';
import {
  identitiesAs,
  identitiesIn,
  identitiesOf,
  type NewIdentity,
  otherAccounts,
  otherNamespaces,
} from './candidate-identity.ts';
import type { Aspect, Condition } from './condition.ts';

/** A connection that differs in one aspect, so that a condition may turn out otherwise: that has to be tried. */
export interface Candidate {
  readonly aspect: Aspect;
  readonly connection: Connection;
  /** The change: `the destination port were 8080`. */
  readonly words: string;
}

/** Of a list, so many values are tried. */
const MOST_TRIED = 4;

/**
 * Connections like `connection` with which a value of the list may be met, or, with `met` false, none. The likeliest
 * come first; none if there is no idea. `namespace` is where a client is thought of that has no identity yet.
 */
export function findCandidates(
  condition: Condition,
  met: boolean,
  connection: Connection,
  namespace: string,
): readonly Candidate[] {
  const lists = pickLists(condition);
  switch (condition.aspect) {
    case 'identity':
      return findIdentities(condition, met, connection.identity, namespace)
        .filter(({ identity }) => identity === undefined || isPossibleIdentity(identity))
        .map(({ identity, words }) => ({ aspect: 'identity', connection: { ...connection, identity }, words }));
    case 'sourceIp':
    case 'destinationIp':
      return findAddresses(lists[condition.aspect], met, connection, condition.aspect);
    case 'destinationPort':
      if (!met) return otherPorts(connection);
      return firstOf(lists.destinationPort).map((port) => withPort(connection, port, `${port}`));
  }
}

function pickLists({ negative, match }: Condition) {
  return negative
    ? {
        sourceIp: match.notSourceIps,
        destinationIp: match.notDestinationIps,
        destinationPort: match.notDestinationPorts,
      }
    : { sourceIp: match.sourceIps, destinationIp: match.destinationIps, destinationPort: match.destinationPorts };
}

function findIdentities(
  { field, match }: Condition,
  met: boolean,
  current: SourceIdentity | undefined,
  namespace: string,
): readonly NewIdentity[] {
  if (field === 'namespaces' || field === 'notNamespaces')
    return met ? identitiesIn(firstOf(match[field]), current, namespace) : otherNamespaces(current, namespace);
  if (!met) return otherAccounts(current);
  if (field === 'principals' || field === 'notPrincipals')
    return identitiesAs(firstOf(match[field]), current, namespace);
  if (field === 'serviceAccounts' || field === 'notServiceAccounts')
    return identitiesOf(firstOf(match[field]), current);
  return [];
}

function findAddresses(
  list: readonly AddressRange[] | undefined,
  met: boolean,
  connection: Connection,
  aspect: 'sourceIp' | 'destinationIp',
): readonly Candidate[] {
  const ranges = firstOf(list);
  const subject = aspect === 'sourceIp' ? 'the source address' : 'the destination address';
  return (met ? addressesIn(ranges) : addressesOutside(ranges, connection[aspect])).map(({ address, words }) => ({
    aspect,
    connection: { ...connection, [aspect]: address },
    words: `${subject} were ${words}`,
  }));
}

function firstOf<V>(list: readonly V[] | undefined): readonly V[] {
  return list?.slice(0, MOST_TRIED) ?? [];
}

function withPort(connection: Connection, destinationPort: number, words: string): Candidate {
  return {
    aspect: 'destinationPort',
    connection: { ...connection, destinationPort },
    words: `the destination port were ${words}`,
  };
}

/** The ports beside it: those that it is not wanted to be are seldom so many in a row. */
function otherPorts(connection: Connection): readonly Candidate[] {
  const { destinationPort: port } = connection;
  return [port + 1, port - 1, port + 2, port - 2]
    .filter((other) => other > 0 && other <= MAX_PORT)
    .map((other) => withPort(connection, other, `another (such as ${other})`));
}
