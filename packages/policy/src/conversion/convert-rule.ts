import type { Clause, Match, Rule } from '../policy.ts';
import type { PolicyRule, PolicyRuleCondition, PolicyRuleOperation, PolicyRuleSource } from './policy-object.ts';
import { present } from './present-fields.ts';
import { readAddressRange, readPort, readServiceAccount, readStringMatch } from './read-values.ts';

/** Conditions of an operation that only a proxy of HTTP can judge. */
export const HTTP_OPERATIONS = ['hosts', 'notHosts', 'methods', 'notMethods', 'paths', 'notPaths'] as const;

/**
 * Conditions of a source that a node proxy cannot judge. Those of trust domains have no field in the message; the
 * reference once ignored them silently, so that a rule was wider than written (spec istiod.md §20).
 */
export const HTTP_SOURCES = [
  'remoteIpBlocks',
  'notRemoteIpBlocks',
  'requestPrincipals',
  'notRequestPrincipals',
  'trustDomains',
  'notTrustDomains',
] as const;

/** Keys of `when` that a node proxy can judge; any other is taken for one of HTTP. */
export const CONNECTION_KEYS = [
  'source.ip',
  'source.namespace',
  'source.principal',
  'destination.ip',
  'destination.port',
] as const;

/** What becomes of one rule (spec istiod.md §6.2). */
export interface ConvertedRule {
  /** All that a node proxy can judge of it. An entry without such a condition is an empty match: it never matches. */
  readonly rule: Rule;
  /** Names of the conditions that it cannot: sorted, each once. */
  readonly httpAttributes: readonly string[];
}

/** Converts one rule of an AuthorizationPolicy of `namespace`. Never throws: bad values are dropped. */
export function convertRule(rule: PolicyRule, namespace: string): ConvertedRule {
  const attributes = new Set<string>();
  const to = (rule.to ?? []).map(({ operation = {} }) => {
    for (const name of HTTP_OPERATIONS) if (isListed(operation[name])) attributes.add(name);
    return convertOperation(operation);
  });
  const from = (rule.from ?? []).map(({ source = {} }) => {
    for (const name of HTTP_SOURCES) if (isListed(source[name])) attributes.add(name);
    return convertSource(source, namespace);
  });
  const when = (rule.when ?? []).map((condition): Clause => {
    if (!isConnectionKey(condition.key)) attributes.add(condition.key);
    return [convertCondition(condition)];
  });
  const clauses = [to, from].filter(({ length }) => length > 0);
  return { rule: [...clauses, ...when], httpAttributes: [...attributes].toSorted() };
}

/** Whether a node proxy can judge this key of `when`. */
export function isConnectionKey(key: string): key is (typeof CONNECTION_KEYS)[number] {
  return CONNECTION_KEYS.some((known) => known === key);
}

/** Whether a clause of a converted rule can hold: a match without conditions never does. */
export function canHold(clause: Clause): boolean {
  return clause.some((match) => Object.keys(match).length > 0);
}

function convertOperation(operation: PolicyRuleOperation): Match {
  return present<Match>({
    destinationPorts: readEach(operation.ports, readPort),
    notDestinationPorts: readEach(operation.notPorts, readPort),
  });
}

function convertSource(source: PolicyRuleSource, namespace: string): Match {
  const readAccount = (text: string) => readServiceAccount(text, namespace);
  return present<Match>({
    sourceIps: readEach(source.ipBlocks, readAddressRange),
    notSourceIps: readEach(source.notIpBlocks, readAddressRange),
    namespaces: readEach(source.namespaces, readStringMatch),
    notNamespaces: readEach(source.notNamespaces, readStringMatch),
    serviceAccounts: readEach(source.serviceAccounts, readAccount),
    notServiceAccounts: readEach(source.notServiceAccounts, readAccount),
    principals: readEach(source.principals, readStringMatch),
    notPrincipals: readEach(source.notPrincipals, readStringMatch),
  });
}

function convertCondition({ key, values, notValues }: PolicyRuleCondition): Match {
  if (!isConnectionKey(key)) return {};
  switch (key) {
    case 'source.ip':
      return present<Match>({
        sourceIps: readEach(values, readAddressRange),
        notSourceIps: readEach(notValues, readAddressRange),
      });
    case 'destination.ip':
      return present<Match>({
        destinationIps: readEach(values, readAddressRange),
        notDestinationIps: readEach(notValues, readAddressRange),
      });
    case 'source.namespace':
      return present<Match>({
        namespaces: readEach(values, readStringMatch),
        notNamespaces: readEach(notValues, readStringMatch),
      });
    case 'source.principal':
      return present<Match>({
        principals: readEach(values, readStringMatch),
        notPrincipals: readEach(notValues, readStringMatch),
      });
    case 'destination.port':
      return present<Match>({
        destinationPorts: readEach(values, readPort),
        notDestinationPorts: readEach(notValues, readPort),
      });
  }
}

function isListed(values: readonly string[] | undefined): boolean {
  return (values ?? []).length > 0;
}

/** An empty list is no condition, and would say nothing to who reads a policy: undefined. */
function readEach<T>(
  values: readonly string[] | undefined,
  read: (text: string) => T | undefined,
): readonly T[] | undefined {
  if (values === undefined) return undefined;
  const items: T[] = [];
  for (const text of values) {
    const item = read(text);
    if (item !== undefined) items.push(item);
  }
  return items.length === 0 ? undefined : items;
}
