import { stringify } from 'yaml';
import { convertedKey, staticStrictKey } from '../conversion/convert-peer-authentication.ts';
import { convertPolicies } from '../conversion/convert-policies.ts';
import { findMissingNamespace } from '../conversion/find-missing-namespace.ts';
import { findObjectProblems } from '../conversion/find-object-problems.ts';
import { modeOf, portModes, selectsWorkloads } from '../conversion/peer-authentication-scope.ts';
import {
  DEFAULT_ROOT_NAMESPACE,
  objectKey,
  type PeerAuthentication,
  type PolicyObject,
} from '../conversion/policy-object.ts';
import { ATTACHED, type PolicyObjectStatus } from '../conversion/policy-status.ts';
import { parsePolicyObject } from '../conversion/read-policy-object.ts';
import type { PolicyError } from '../errors.ts';
import { policyKey } from '../evaluation/policy-key.ts';
import { compile } from '../evaluation/policy-set.ts';
import { renderMessage } from '../message/render-message.ts';
import type { Policy } from '../policy.ts';
import type { Problem } from '../problem.ts';
import { type Command, type CommandIo, EXIT } from './command-io.ts';
import { leaveOutOthers } from './document-kind.ts';
import { findTwins } from './find-twins.ts';
import { parseLabels } from './parse-labels.ts';
import { invalidCommand, parseOptions } from './parse-options.ts';
import { readSoundDocuments } from './read-documents.ts';
import type { YamlDocument } from './yaml-document.ts';

const HELP = `usage: ambient-policy convert FILE… [--namespace NAMESPACE [--labels NAME=VALUE,…]]
                                    [--root-namespace NAMESPACE] [--dry-run]

Prints the messages that node proxies receive for AuthorizationPolicy and PeerAuthentication
objects: istio.security.Authorization as YAML, one document each. What is left out, and why, goes
to standard error. Objects of other APIs are left out.

Without a workload, that is what each object becomes. With one, that is what governs it, in all
namespaces and by all selectors; the comment at the top is its list of policies.

  --namespace        namespace of a workload; objects have to have one, then
  --labels           its labels: app=web,tier=front
  --root-namespace   namespace of the objects that are for the whole mesh (istio-system)
  --dry-run          dry-run policies are sent, as such: proxies that do not know them enforce them

As in a cluster, values that cannot be read are dropped; check calls that an error.

Exit codes: 0 done, 2 an error: an object whose fields are not those of its kind is one.
`;

/** `convert FILE…`: what node proxies receive. */
export const CONVERT_COMMAND: Command = {
  usage: 'convert FILE…',
  summary: 'print the messages that node proxies receive',
  help: HELP,
  run: runConvert,
};

const OPTIONS = {
  namespace: { type: 'string' },
  labels: { type: 'string' },
  'root-namespace': { type: 'string', default: DEFAULT_ROOT_NAMESPACE },
  'dry-run': { type: 'boolean', default: false },
} as const;

/** Texts that YAML 1.1 takes for something else (`on`, `y`, `1:20`) get quotes: Kubernetes reads that. */
const YAML_FORM = { sortMapEntries: true, lineWidth: 0, schema: 'yaml-1.1' } as const;

async function runConvert(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseOptions(args, OPTIONS);
  if (positionals.length === 0) throw invalidCommand('convert wants files: convert FILE…');
  const { namespace, labels: labelText } = values;
  if (namespace === undefined && labelText !== undefined) throw invalidCommand('--labels wants --namespace, too');
  if (namespace === '') throw invalidCommand('--namespace "": want the namespace of a workload');
  const labels = parseLabels('--labels', labelText ?? '');
  const rootNamespace = values['root-namespace'];
  const documents = leaveOutOthers((await readSoundDocuments(positionals, io)).documents, io);
  const objects = documents.map(namespace === undefined ? readObject : readPlacedObject);
  const conversion = convertPolicies(objects, {
    rootNamespace,
    dryRun: values['dry-run'],
    withoutNamespace: namespace === undefined,
  });
  const statuses = new Map(conversion.statuses.map((status) => [status.object, status]));
  tellTwins(documents, objects, rootNamespace, io);
  for (const document of documents) tellNotes(document, statuses, rootNamespace, io);
  if (namespace === undefined) {
    tellUnsent(documents, conversion.policies, rootNamespace, io);
    const converted = conversion.policies.filter((policy) => policyKey(policy) !== staticStrictKey(rootNamespace));
    io.write(renderPolicies(converted));
    return EXIT.success;
  }
  const authorizationPolicies = conversion.policiesOf({ namespace, labels });
  const { policies } = compile(conversion.policies).select({ namespace, authorizationPolicies });
  io.write(renderNames(namespace, labels, authorizationPolicies) + renderPolicies(policies));
  return EXIT.success;
}

/** An object that conversion can go on with; values in it that cannot be read are dropped, and told. */
function readObject({ value, locate }: YamlDocument): PolicyObject {
  const { object, problems } = parsePolicyObject(value);
  if (object !== undefined) return object;
  throw refuse(locate, problems);
}

/** As `readObject`, for what governs a workload: that depends on the namespace. */
function readPlacedObject(document: YamlDocument): PolicyObject {
  const object = readObject(document);
  const problems = findMissingNamespace(object);
  if (problems.length > 0) throw refuse(document.locate, problems);
  return object;
}

function refuse(locate: YamlDocument['locate'], problems: readonly Problem[]): PolicyError {
  const [first, ...others] = problems;
  const { path = '', message = '' } = first ?? {};
  const more = others.length > 0 ? ` (and ${others.length} more: check tells all)` : '';
  return invalidCommand(`${locate(path)}: ${path === '' ? message : `${path}: ${message}`}${more}`);
}

/** Of two that are one, the later is converted. */
function tellTwins(
  documents: readonly YamlDocument[],
  objects: readonly PolicyObject[],
  rootNamespace: string,
  io: CommandIo,
): void {
  const named = objects.flatMap((content, index) => {
    const document = documents[index];
    return document === undefined ? [] : [{ document, content }];
  });
  for (const { name, document, path, earlier, earlierPath } of findTwins(named, rootNamespace))
    io.writeError(
      `${document.locate(path)}: warning: ${name} is at ${earlier.locate(earlierPath)}, too: this one replaces it\n`,
    );
}

/** What becomes of an object beside what is printed: values dropped, rules left out, nothing sent. */
function tellNotes(
  { value, locate }: YamlDocument,
  statuses: ReadonlyMap<string, PolicyObjectStatus>,
  rootNamespace: string,
  io: CommandIo,
): void {
  const { object } = parsePolicyObject(value);
  if (object === undefined) return;
  // HTTP attributes are in the status.
  for (const { severity, path, message } of findObjectProblems(value, { rootNamespace }))
    if (severity === 'error' || object.kind === 'PeerAuthentication' || path === 'metadata.namespace')
      io.writeError(`${locate(path)}: warning: ${path}: ${message}\n`);
  if (object.kind === 'PeerAuthentication') return;
  const status = statuses.get(objectKey(object));
  const { accepted, message } = status ?? { accepted: false, message: 'it is for a waypoint: it has a target' };
  if (message !== ATTACHED)
    io.writeError(`${locate('')}: ${objectKey(object)} ${describeSending(object, accepted)}: ${message}\n`);
}

/** In no namespace an object is not sent as it is. */
function describeSending({ metadata }: PolicyObject, accepted: boolean): string {
  if (!accepted) return 'is not sent';
  return metadata.namespace === undefined ? 'would be sent' : 'is sent';
}

/** Why nothing is printed for some objects. */
function tellUnsent(
  documents: readonly YamlDocument[],
  policies: readonly Policy[],
  rootNamespace: string,
  io: CommandIo,
): void {
  const sent = new Set(policies.map(policyKey));
  for (const document of documents) {
    const object = readObject(document);
    if (object.kind !== 'PeerAuthentication' || sent.has(convertedKey(object))) continue;
    const why = describeUnsent(object, rootNamespace);
    io.writeError(`${document.locate('')}: ${objectKey(object)} is no message of its own: ${why}\n`);
  }
}

function describeUnsent(object: PeerAuthentication, rootNamespace: string): string {
  if (modeOf(object.spec?.mtls) === 'STRICT')
    return `the workloads that it makes STRICT name ${staticStrictKey(rootNamespace)} (--namespace shows that)`;
  if (selectsWorkloads(object) && portModes(object).length > 0)
    return 'the modes of its ports are those that hold without it';
  return 'it refuses no plain text, but may lift what a wider object refuses';
}

function renderPolicies(policies: readonly Policy[]): string {
  return policies.map((policy) => stringify(renderMessage(policy), YAML_FORM)).join('---\n');
}

/** Field 16 of the workload's record. */
function renderNames(namespace: string, labels: Readonly<Record<string, string>>, keys: readonly string[]): string {
  const list = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  const workload = `a workload in ${namespace} ${list.length === 0 ? 'without labels' : `with ${list.join(',')}`}`;
  const lines =
    keys.length === 0
      ? ['# authorization_policies: []']
      : ['# authorization_policies:', ...keys.map((key) => `# - ${key}`)];
  return `# ${workload}\n${lines.join('\n')}\n`;
}
