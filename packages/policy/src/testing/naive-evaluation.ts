import ipaddr from 'ipaddr.js';
import type { VerdictCode } from '../evaluation/decision.ts';
import type {
  AddressRange,
  Connection,
  Match,
  Policy,
  ServiceAccountMatch,
  StringMatch,
  TargetWorkload,
} from '../policy.ts';

/**
 * The semantics of spec policy.md §3 and §4, written down a second time in the plainest way: every policy is scanned, and
 * nothing is prepared. It shares no code with the evaluator, whose tests and figures it is compared with.
 */
export function evaluateNaively(
  policies: readonly Policy[],
  connection: Connection,
  workload: TargetWorkload,
): VerdictCode {
  const named = workload.authorizationPolicies;
  const enforced = policies.filter((policy) => !policy.dryRun && applies(policy, workload));
  const denies = enforced.filter(({ action }) => action === 'Deny');
  const allows = enforced.filter(({ action }) => action === 'Allow');
  const isMissing = (key: string): boolean => !policies.some(({ namespace, name }) => `${namespace}/${name}` === key);
  if (denies.some((policy) => matchesNaively(policy, connection))) return 'DENIED';
  if (named.some(isMissing)) return 'POLICY_MISSING';
  if (allows.length === 0) return 'NO_ALLOW_POLICIES';
  return allows.some((policy) => matchesNaively(policy, connection)) ? 'ALLOWED' : 'NOT_ALLOWED';
}

function applies({ scope, namespace, name }: Policy, workload: TargetWorkload): boolean {
  if (workload.authorizationPolicies.includes(`${namespace}/${name}`)) return true;
  return scope === 'Global' || (scope === 'Namespace' && ['', workload.namespace].includes(namespace));
}

/** Whether a policy's rules match a connection, whatever its action. */
export function matchesNaively({ rules }: Pick<Policy, 'rules'>, connection: Connection): boolean {
  return rules.some((rule) =>
    rule.every((clause) => clause.length === 0 || clause.some((match) => matchHolds(match, connection))),
  );
}

function matchHolds(match: Match, { identity, sourceIp, destinationIp, destinationPort }: Connection): boolean {
  const principal = identity && `${identity.trustDomain}/ns/${identity.namespace}/sa/${identity.serviceAccount}`;
  const isNamespace = (pattern: StringMatch): boolean => textMatches(pattern, identity?.namespace ?? '');
  const isPrincipal = (pattern: StringMatch): boolean => principal !== undefined && textMatches(pattern, principal);
  const isAccount = (account: ServiceAccountMatch): boolean =>
    identity?.namespace === account.namespace && identity.serviceAccount === account.serviceAccount;
  const isSource = (range: AddressRange): boolean => isInRange(range, sourceIp);
  const isDestination = (range: AddressRange): boolean => isInRange(range, destinationIp);
  const isPort = (port: number): boolean => port === destinationPort;
  return (
    Object.values(match).some((list: readonly unknown[]) => list.length > 0) &&
    pairHolds(match.namespaces, match.notNamespaces, isNamespace) &&
    pairHolds(match.principals, match.notPrincipals, isPrincipal) &&
    pairHolds(match.serviceAccounts, match.notServiceAccounts, isAccount) &&
    pairHolds(match.sourceIps, match.notSourceIps, isSource) &&
    pairHolds(match.destinationIps, match.notDestinationIps, isDestination) &&
    pairHolds(match.destinationPorts, match.notDestinationPorts, isPort)
  );
}

function pairHolds<Value>(
  wanted: readonly Value[] = [],
  unwanted: readonly Value[] = [],
  holds: (value: Value) => boolean,
): boolean {
  return (wanted.length === 0 || wanted.some(holds)) && !unwanted.some(holds);
}

function textMatches(pattern: StringMatch, text: string): boolean {
  if (pattern.kind === 'presence') return text.length > 0;
  if (pattern.kind === 'prefix') return text.startsWith(pattern.value);
  if (pattern.kind === 'suffix') return text.endsWith(pattern.value);
  return text === pattern.value;
}

function isInRange(range: AddressRange, ip: string): boolean {
  const network = ipaddr.parse(range.address);
  const address = ipaddr.process(ip);
  return network.kind() === address.kind() && address.match(network, range.length);
}
