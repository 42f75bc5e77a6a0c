import { fieldOf } from './field-of.ts';
import { listItems } from './yaml-document.ts';

/** Something read from a file, and where it stands. */
interface Located {
  readonly value: unknown;
  readonly locate: (path: string) => string;
}

/** A workload of the local configuration of a node proxy, as far as policies go. */
export interface MeshWorkload {
  readonly name: string;
  readonly namespace: string;
  /** Keys of the policies that it names. */
  readonly authorizationPolicies: readonly string[];
}

/**
 * Each item of a list as a document of its own: of policies in the local configuration of a node proxy (`policies` beside
 * `workloads` and `services`, spec policy.md §6) and in its `config_dump`, of a list at the top, and of a `List` of
 * Kubernetes in one. To be done before documents are looked at: a list says nothing of what is in it.
 */
export function expandLists<T extends Located>(documents: Iterable<T>): readonly T[] {
  const expanded: T[] = [];
  for (const document of documents) {
    const list = findList(document.value);
    if (list === undefined) expanded.push(document);
    else for (const item of itemsOf(document, list)) addObjects(item, expanded);
  }
  return expanded;
}

/** Any other list in a list stays one, which readers of policies refuse. */
function addObjects<T extends Located>(document: T, expanded: T[]): void {
  const items = listItems(document.value);
  if (items === undefined) expanded.push(document);
  else for (const item of itemsOf(document, { path: 'items', items })) addObjects(item, expanded);
}

function itemsOf<T extends Located>(document: T, { path, items }: PlacedList): readonly T[] {
  return items.map((value, index) => {
    const prefix = `${path}[${index}]`;
    const locate = (inside: string): string =>
      document.locate(inside === '' || inside.startsWith('[') ? `${prefix}${inside}` : `${prefix}.${inside}`);
    return { ...document, value, locate };
  });
}

/** The workloads of all such files; what is none is left out. */
export function listMeshWorkloads(documents: Iterable<Located>): readonly MeshWorkload[] {
  const workloads: MeshWorkload[] = [];
  for (const { value } of documents) {
    if (findList(value) === undefined) continue;
    const items = fieldOf(value, 'workloads');
    for (const item of Array.isArray(items) ? items : []) {
      const [name, namespace] = [fieldOf(item, 'name'), fieldOf(item, 'namespace')];
      const keys = fieldOf(item, 'authorizationPolicies') ?? [];
      if (typeof name !== 'string' || typeof namespace !== 'string' || !Array.isArray(keys)) continue;
      workloads.push({ name, namespace, authorizationPolicies: keys.filter((key) => typeof key === 'string') });
    }
  }
  return workloads;
}

/** Fields by which a map is something else: an object of Kubernetes, a suite, a policy. */
const OTHER_FIELDS = ['apiVersion', 'kind', 'tests', 'rules', 'groups'];

interface PlacedList {
  readonly path: string;
  readonly items: readonly unknown[];
}

/** The list that a document is or stands for; undefined if it is something else. */
function findList(value: unknown): PlacedList | undefined {
  if (Array.isArray(value)) return { path: '', items: value };
  const objects = listItems(value);
  if (objects !== undefined) return { path: 'items', items: objects };
  if (typeof value !== 'object' || value === null || OTHER_FIELDS.some((field) => field in value)) return undefined;
  const policies = fieldOf(value, 'policies');
  if (Array.isArray(policies)) return { path: 'policies', items: policies };
  const empty = policies === null || (policies === undefined && Array.isArray(fieldOf(value, 'workloads')));
  return empty ? { path: 'policies', items: [] } : undefined;
}
