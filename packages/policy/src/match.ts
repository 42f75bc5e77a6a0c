import ipaddr from 'ipaddr.js';
import type { AddressRange, Clause, Connection, Match, Policy, ServiceAccountMatch, StringMatch } from './policy.ts';

/** Whether a policy's rules match a connection, whatever its action (spec policy.md §4.2, §4.3). */
export function matchesPolicy(policy: Pick<Policy, 'rules'>, connection: Connection): boolean {
  return policy.rules.some((rule) => rule.every((clause) => matchesClause(clause, connection)));
}

function matchesClause(clause: Clause, connection: Connection): boolean {
  return clause.length === 0 || clause.some((match) => matches(match, connection));
}

/** A match without any value matches nothing: what was meant is unknown. */
function matches(match: Match, connection: Connection): boolean {
  if (Object.values(match).every((list: readonly unknown[] | undefined) => (list?.length ?? 0) === 0)) return false;
  const { identity } = connection;
  const namespace = identity?.namespace ?? '';
  // Without an identity no principal matches, not even an empty prefix, so every negative condition holds.
  const principal = identity && `${identity.trustDomain}/ns/${identity.namespace}/sa/${identity.serviceAccount}`;
  const inNamespace = (pattern: StringMatch): boolean => matchesText(pattern, namespace);
  const isPrincipal = (pattern: StringMatch): boolean => principal !== undefined && matchesText(pattern, principal);
  const isAccount = (account: ServiceAccountMatch): boolean =>
    identity?.namespace === account.namespace && identity.serviceAccount === account.serviceAccount;
  const fromRange = (range: AddressRange): boolean => contains(range, connection.sourceIp);
  const toRange = (range: AddressRange): boolean => contains(range, connection.destinationIp);
  const toPort = (port: number): boolean => port === connection.destinationPort;
  return (
    holds(match.namespaces, match.notNamespaces, inNamespace) &&
    holds(match.serviceAccounts, match.notServiceAccounts, isAccount) &&
    holds(match.principals, match.notPrincipals, isPrincipal) &&
    holds(match.sourceIps, match.notSourceIps, fromRange) &&
    holds(match.destinationIps, match.notDestinationIps, toRange) &&
    holds(match.destinationPorts, match.notDestinationPorts, toPort)
  );
}

function holds<V>(
  wanted: readonly V[] | undefined,
  unwanted: readonly V[] | undefined,
  is: (value: V) => boolean,
): boolean {
  const admitted = wanted === undefined || wanted.length === 0 || wanted.some(is);
  return admitted && !(unwanted?.some(is) ?? false);
}

function matchesText(pattern: StringMatch, text: string): boolean {
  switch (pattern.kind) {
    case 'exact':
      return text === pattern.value;
    case 'prefix':
      return text.startsWith(pattern.value);
    case 'suffix':
      return text.endsWith(pattern.value);
    case 'presence':
      return text !== '';
  }
}

/** Families never cross: a v6 range contains no v4 address, mapped or not. */
function contains(range: AddressRange, ip: string): boolean {
  const [network, address] = [ipaddr.parse(range.address), ipaddr.parse(ip)];
  return network.kind() === address.kind() && address.match(network, range.length);
}
