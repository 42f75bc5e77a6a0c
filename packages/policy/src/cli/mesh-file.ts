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
 * Each policy as a document of its own: of the local configuration of a node proxy (`policies` beside `workloads` and
 * `services`, spec policy.md §6), of its `config_dump`, and of a list of nothing but policies.
 */
export function expandMeshFiles<T extends Located>(documents: Iterable<T>): readonly T[] {
  const expanded: T[] = [];
  for (const document of documents) {
    const list = listPolicies(document.value);
    if (list === undefined) expanded.push(document);
    else
      for (const [index, value] of list.items.entries()) {
        const prefix = `${list.path}[${index}]`;
        const locate = (path: string): string =>
          document.locate(path === '' || path.startsWith('[') ? `${prefix}${path}` : `${prefix}.${path}`);
        expanded.push({ ...document, value, locate });
      }
  }
  return expanded;
}

/** The workloads of all such files; what is none is left out. */
export function listMeshWorkloads(documents: Iterable<Located>): readonly MeshWorkload[] {
  const workloads: MeshWorkload[] = [];
  for (const { value } of documents) {
    if (listPolicies(value) === undefined) continue;
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

/** The list of policies in it, and its path; undefined if it is something else. */
function listPolicies(value: unknown): { readonly path: string; readonly items: readonly unknown[] } | undefined {
  if (Array.isArray(value)) return { path: '', items: value };
  if (typeof value !== 'object' || value === null || OTHER_FIELDS.some((field) => field in value)) return undefined;
  const policies = fieldOf(value, 'policies');
  if (Array.isArray(policies)) return { path: 'policies', items: policies };
  return Array.isArray(fieldOf(value, 'workloads')) && policies === undefined
    ? { path: 'policies', items: [] }
    : undefined;
}

function fieldOf(value: unknown, field: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, field) : undefined;
}
