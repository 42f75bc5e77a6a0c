import { isIPv4 } from 'node:net';
import {
  type AddressRange,
  readPolicy as copyPolicy,
  type Match,
  type Policy,
  type ServiceAccountMatch,
  type StringMatch,
} from '@ambientmesh/policy';
import { canonicalFamilyText, readPort } from './addresses.ts';
import { maxForeignMessage, showBeginning, type YamlFields, type YamlPlace } from './yaml-place.ts';

const policyKeys = ['name', 'namespace', 'scope', 'action', 'rules', 'dryRun'];
const matchKeys = [
  'namespaces',
  'notNamespaces',
  'principals',
  'notPrincipals',
  'sourceIps',
  'notSourceIps',
  'destinationIps',
  'notDestinationIps',
  'destinationPorts',
  'notDestinationPorts',
  'serviceAccounts',
  'notServiceAccounts',
];

/**
 * Reads an entry of `policies` (spec policy.md §6). All keys of a policy are required, but for `source`, which the reference
 * does not know: what the policy was made of, for explanations (`PolicySource` of `@ambientmesh/policy`). What the evaluator
 * would not take is refused here, where it has a place: the data threads get nothing else.
 */
export function readPolicy(place: YamlPlace): Policy {
  const fields = place.fields(policyKeys, 'refuse and list', ['source']);
  const policy = readFields(fields);
  const source = fields.optional('source', (value) => value.data());
  try {
    return copyPolicy({ ...policy, source });
  } catch (error) {
    return place.fail(showBeginning(error instanceof Error ? error.message : String(error), maxForeignMessage));
  }
}

function readFields(fields: YamlFields): Policy {
  return {
    name: fields.required('name').text(),
    namespace: fields.required('namespace').text(),
    scope: fields.required('scope').variant(['Global', 'Namespace', 'WorkloadSelector']),
    action: fields.required('action').variant(['Allow', 'Deny']),
    dryRun: fields.required('dryRun').boolean(),
    rules: fields
      .required('rules')
      .items()
      .map((rule) => rule.items().map((clause) => clause.items().map(readMatch))),
  };
}

function readMatch(place: YamlPlace): Match {
  const fields = place.fields(matchKeys, 'ignore');
  return {
    namespaces: fields.list('namespaces', readStringMatch),
    notNamespaces: fields.list('notNamespaces', readStringMatch),
    principals: fields.list('principals', readStringMatch),
    notPrincipals: fields.list('notPrincipals', readStringMatch),
    sourceIps: fields.list('sourceIps', readRange),
    notSourceIps: fields.list('notSourceIps', readRange),
    destinationIps: fields.list('destinationIps', readRange),
    notDestinationIps: fields.list('notDestinationIps', readRange),
    destinationPorts: fields.list('destinationPorts', readPort),
    notDestinationPorts: fields.list('notDestinationPorts', readPort),
    serviceAccounts: fields.list('serviceAccounts', readServiceAccount),
    notServiceAccounts: fields.list('notServiceAccounts', readServiceAccount),
  };
}

function readStringMatch(place: YamlPlace): StringMatch {
  switch (place.tag) {
    case 'Exact':
      return { kind: 'exact', value: place.text() };
    case 'Prefix':
      return { kind: 'prefix', value: place.text() };
    case 'Suffix':
      return { kind: 'suffix', value: place.text() };
    case 'Presence':
      return { kind: 'presence' };
    default:
      return place.fail('invalid value: expected a YAML tag !Exact, !Prefix, !Suffix or !Presence');
  }
}

/** A v4-mapped range stays one of v6: the prefix length counts its 128 bits, and it holds no v4 address (spec policy.md §4.3). */
function readRange(place: YamlPlace): AddressRange {
  const text = place.text();
  const [, ip, digits] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const address = ip === undefined ? undefined : canonicalFamilyText(ip);
  if (address === undefined || Number(digits) > (isIPv4(address) ? 32 : 128))
    return place.fail(`invalid address range: ${showBeginning(text)}`);
  return { address, length: Number(digits) };
}

function readServiceAccount(place: YamlPlace): ServiceAccountMatch {
  const fields = place.fields(['namespace', 'serviceAccount']);
  return {
    namespace: fields.required('namespace').text(),
    serviceAccount: fields.required('serviceAccount').text(),
  };
}
