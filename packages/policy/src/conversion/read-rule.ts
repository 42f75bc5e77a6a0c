import type { DataPlace } from '../validation/data-place.ts';
import type { PolicyRule, PolicyRuleCondition, PolicyRuleOperation, PolicyRuleSource } from './policy-object.ts';
import { present } from './present-fields.ts';
import { fieldsOf, readText } from './read-fields.ts';

const SOURCE_FIELDS = [
  'principals',
  'notPrincipals',
  'namespaces',
  'notNamespaces',
  'serviceAccounts',
  'notServiceAccounts',
  'ipBlocks',
  'notIpBlocks',
  'requestPrincipals',
  'notRequestPrincipals',
  'remoteIpBlocks',
  'notRemoteIpBlocks',
  'trustDomains',
  'notTrustDomains',
] as const satisfies readonly (keyof PolicyRuleSource)[];

const OPERATION_FIELDS = [
  'ports',
  'notPorts',
  'hosts',
  'notHosts',
  'methods',
  'notMethods',
  'paths',
  'notPaths',
] as const satisfies readonly (keyof PolicyRuleOperation)[];

/** Reads one rule of an AuthorizationPolicy; notes what is wrong at `place`. */
export function readRule(place: DataPlace): PolicyRule {
  const fields = fieldsOf(place, ['from', 'to', 'when']);
  return present<PolicyRule>({
    from: fields.optional('from', (from) => from.list(readFrom)),
    to: fields.optional('to', (to) => to.list(readTo)),
    when: fields.optional('when', (when) => when.list(readCondition)),
  });
}

function readFrom(place: DataPlace): { readonly source?: PolicyRuleSource } {
  const source = fieldsOf(place, ['source']).optional('source', (inside) => readLists(inside, SOURCE_FIELDS));
  return source === undefined ? {} : { source };
}

function readTo(place: DataPlace): { readonly operation?: PolicyRuleOperation } {
  const operation = fieldsOf(place, ['operation']).optional('operation', (inside) =>
    readLists(inside, OPERATION_FIELDS),
  );
  return operation === undefined ? {} : { operation };
}

function readLists<F extends string>(place: DataPlace, known: readonly F[]) {
  const fields = fieldsOf(place, known);
  const lists: { [field in F]?: readonly string[] } = {};
  for (const name of known) {
    const texts = fields.optional(name, readTexts);
    if (texts !== undefined) lists[name] = texts;
  }
  return lists;
}

function readCondition(place: DataPlace): PolicyRuleCondition {
  const fields = fieldsOf(place, ['key', 'values', 'notValues']);
  return present<PolicyRuleCondition>({
    key: fields.required('key', 'what is compared, such as source.ip', readText) ?? '',
    values: fields.optional('values', readTexts),
    notValues: fields.optional('notValues', readTexts),
  });
}

function readTexts(place: DataPlace): readonly string[] | undefined {
  return place.list(readText);
}
