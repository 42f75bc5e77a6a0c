import { DEFAULT_ROOT_NAMESPACE, type PolicyObject } from '../conversion/policy-object.ts';
import { fieldOf } from './field-of.ts';
import { parseLabels } from './parse-labels.ts';
import { invalidCommand } from './parse-options.ts';
import type { YamlDocument } from './yaml-document.ts';

/** Labels of workloads that logs name. */
export interface WorkloadLabels {
  /** Undefined if they are not known. */
  readonly find: (workload: Workload) => Labels | undefined;
}

/**
 * Labels as arguments tell them (`shop/api-1=app=api`, `shop/api-*=app=api`), the first that fits; else those of Pods in
 * `documents`, in which other objects are left out. Throws POLICY_COMMAND_INVALID for an argument of another form, and for
 * a Pod without a namespace or whose labels are none.
 */
export function readWorkloadLabels(
  args: readonly string[],
  documents: readonly Pick<YamlDocument, 'value' | 'locate'>[],
): WorkloadLabels {
  const told = args.map(parseArgument);
  const pods = new Map(documents.filter(({ value }) => fieldOf(value, 'kind') === 'Pod').map(readPod));
  return {
    find: (workload) =>
      told.find(({ namespace, fits }) => namespace === workload.namespace && fits(workload.name))?.labels ??
      pods.get(keyOf(workload)),
  };
}

/** Namespaces for whose workloads some objects are chosen by labels; those of the root namespace are for all of them. */
export function readSelectingNamespaces(
  objects: readonly PolicyObject[],
  rootNamespace: string = DEFAULT_ROOT_NAMESPACE,
): { readonly has: (namespace: string) => boolean } {
  const namespaces = new Set<string | undefined>();
  for (const { metadata, spec } of objects)
    if (Object.keys(spec?.selector?.matchLabels ?? {}).length > 0) namespaces.add(metadata.namespace);
  return { has: (namespace) => namespaces.has(namespace) || namespaces.has(rootNamespace) };
}

type Labels = Readonly<Record<string, string>>;

interface Workload {
  readonly namespace: string;
  readonly name: string;
}

function parseArgument(text: string) {
  const [, namespace, name, prefix, labels] = /^([^/=\s]+)\/(?:([^=*\s]+)|([^=*\s]*)\*)=(.*)$/.exec(text) ?? [];
  if (namespace === undefined || labels === undefined)
    throw invalidCommand(
      `--workload ${JSON.stringify(text)}: want NAMESPACE/NAME=LABELS, such as shop/api-1=app=api,version=v1`,
    );
  const fits = (full: string): boolean => (prefix === undefined ? full === name : full.startsWith(prefix));
  return { namespace, fits, labels: parseLabels('--workload', labels) };
}

function readPod({ value, locate }: Pick<YamlDocument, 'value' | 'locate'>): readonly [string, Labels] {
  const metadata = fieldOf(value, 'metadata');
  const [namespace, name] = [fieldOf(metadata, 'namespace'), fieldOf(metadata, 'name')];
  if (typeof namespace !== 'string' || typeof name !== 'string')
    throw invalidCommand(`${locate('metadata')}: want metadata.namespace and metadata.name of the Pod`);
  const labels = Object.entries(fieldOf(metadata, 'labels') ?? {});
  if (!labels.every((label): label is [string, string] => typeof label[1] === 'string'))
    throw invalidCommand(`${locate('metadata.labels')}: want a map of texts`);
  return [keyOf({ namespace, name }), Object.fromEntries(labels)];
}

/** Names in logs may have any character. */
function keyOf({ namespace, name }: Workload): string {
  return JSON.stringify([namespace, name]);
}
