import { effectiveScope, findProblems, type HttpAttributes, type Policy } from '@ambientmesh/policy';
import { describePolicy } from '../describe-mesh.ts';
import type { LocalConfigStatus } from '../local-config/local-config-file.ts';
import type { MeshSnapshot } from '../local-config/mesh-snapshot.ts';
import type { Answer } from './http-listener.ts';
import { readLimit } from './page-limit.ts';
import { escapeControl, renderTable, renderTime, textOrJson } from './text-page.ts';

/** Names of workloads that a line shows. */
const maxNamed = 5;
/** Doubts that the page shows. */
const maxDoubts = 100;

/** What `/debug/policies` tells. */
export interface PolicyReport {
  readonly mesh: MeshSnapshot;
  /** Undefined: there is no local configuration. */
  readonly localConfig: LocalConfigStatus | undefined;
  /** What a policy does that a workload names and nobody knows. */
  readonly unknownPolicy: 'deny' | 'skip';
}

/**
 * `/debug/policies`: the policies in force, whom they are for, and whether the file they come from is still good.
 * `?workload=namespace/name` shows those that govern one workload, `?namespace=name` those of one namespace; of many only
 * the first are shown, `?limit=n` says how many.
 */
export function policiesPage(url: URL, report: PolicyReport): Answer {
  const wanted = url.searchParams.get('workload') ?? '';
  const limit = readLimit(url);
  if (typeof limit !== 'number') return limit;
  const governed = wanted === '' ? report.mesh : governing(report.mesh, wanted);
  if (governed === undefined) return refuse(404, `no workload ${escapeControl(wanted)} is known`);
  const namespace = url.searchParams.get('namespace') ?? '';
  const mesh = namespace === '' ? governed : inNamespace(governed, namespace);
  const policies = [...mesh.policies].toSorted(([a], [b]) => (a < b ? -1 : 1)).slice(0, limit);
  const status = renderStatus(report.localConfig, report.mesh);
  const shown: Shown = { ...report, mesh, policies, limit, narrowed: namespace !== '', status };
  const namedBy = workloadsByPolicy(mesh);
  return textOrJson(
    url,
    () => renderReport(shown, namedBy),
    () => describeReport(shown, namedBy),
  );
}

/** What is asked for: `mesh` has that alone. */
interface Shown extends PolicyReport {
  readonly status: string;
  /** The first of `mesh`, by key. */
  readonly policies: readonly (readonly [key: string, policy: Policy])[];
  readonly limit: number;
  /** Only policies of one namespace. */
  readonly narrowed: boolean;
}

function refuse(status: number, message: string): Answer {
  return { status, contentType: 'text/plain', body: `${message}\n` };
}

/** The policies of a namespace, and who names one of them. */
function inNamespace({ workloads, policies }: MeshSnapshot, namespace: string): MeshSnapshot {
  const inside = (key: string): boolean => key.startsWith(`${namespace}/`);
  return {
    workloads: new Map(
      [...workloads].map(([uid, entry]) => {
        const authorizationPolicies = entry.workload.authorizationPolicies.filter(inside);
        return [uid, { ...entry, workload: { ...entry.workload, authorizationPolicies } }];
      }),
    ),
    services: new Map(),
    policies: new Map([...policies].filter(([, policy]) => policy.namespace === namespace)),
  };
}

/** The workloads of a name, `namespace/name`, and the policies that govern them; undefined without any. */
function governing({ workloads, policies }: MeshSnapshot, wanted: string): MeshSnapshot | undefined {
  const found = [...workloads].filter(([, { workload }]) => `${workload.namespace}/${workload.name}` === wanted);
  const governs = (key: string, policy: Policy): boolean =>
    effectiveScope(policy) === 'Global' ||
    found.some(
      ([, { workload }]) =>
        workload.authorizationPolicies.includes(key) ||
        (policy.scope === 'Namespace' && policy.namespace === workload.namespace),
    );
  if (found.length === 0) return undefined;
  return {
    workloads: new Map(found),
    services: new Map(),
    policies: new Map([...policies].filter(([key, policy]) => governs(key, policy))),
  };
}

/** `namespace/name` of the workloads that name a policy, by its key. */
type NamedBy = ReadonlyMap<string, readonly string[]>;

function workloadsByPolicy({ workloads }: MeshSnapshot): NamedBy {
  const namedBy = new Map<string, string[]>();
  for (const { workload } of workloads.values())
    for (const key of new Set(workload.authorizationPolicies)) {
      const name = `${workload.namespace}/${workload.name}`;
      const names = namedBy.get(key);
      if (names === undefined) namedBy.set(key, [name]);
      else names.push(name);
    }
  return namedBy;
}

function renderReport(shown: Shown, namedBy: NamedBy): string {
  const { mesh, policies, limit, narrowed, status, unknownPolicy } = shown;
  const rows = policies.map(([key, policy]) => [
    key,
    policy.dryRun ? `${policy.action}, dry-run` : policy.action,
    policy.scope,
    String(policy.rules.length),
    appliesTo(policy, namedBy.get(key) ?? []),
  ]);
  const missing = missingOf(mesh, namedBy);
  const table =
    rows.length === 0
      ? `no policies${missing.length === 0 && !narrowed ? ': nothing is denied' : ''}\n`
      : renderTable([['POLICY', 'ACTION', 'SCOPE', 'RULES', 'APPLIES TO'], ...rows]);
  const more =
    rows.length === mesh.policies.size
      ? ''
      : `\n${rows.length} of ${mesh.policies.size} policies shown: narrow with ?namespace=N or ?workload=N/W, or raise ?limit=N\n`;
  const effect = unknownPolicy === 'deny' ? 'connections to them are denied' : 'it is skipped';
  const missingRows = missing.slice(0, limit).map(([key, names]) => [key, shorten(names)]);
  const missingMore = missing.length > limit ? `and ${missing.length - limit} more\n` : '';
  const missingTable =
    missing.length === 0 ? '' : `\n${renderTable([['MISSING', `NAMED BY (${effect})`], ...missingRows])}${missingMore}`;
  const doubts = doubtsOf(shown).map(
    ({ policy, path, message }) => `${escapeControl(`${policy} ${path}: ${message}`)}\n`,
  );
  const doubtList = doubts.length === 0 ? '' : `\nDOUBTFUL\n${doubts.join('')}`;
  return `${status}\n${table}${more}${missingTable}${doubtList}`;
}

interface Doubt {
  readonly policy: string;
  /** In the policy; of what was left out, in the object that it was made of. */
  readonly path: string;
  readonly message: string;
}

/** What is right but hardly does what was meant. */
function doubtsOf({ mesh, localConfig }: Shown): Doubt[] {
  const doubts: Doubt[] = (localConfig?.repeated ?? [])
    .filter(({ policy }) => mesh.policies.has(policy))
    .map(({ policy, index, message }) => ({ policy, path: `policies[${index}]`, message }));
  for (const [key, policy] of mesh.policies) {
    if (doubts.length >= maxDoubts) break;
    for (const { path, message } of [...leftOut(policy), ...findProblems(policy)])
      doubts.push({ policy: key, path, message });
  }
  return doubts.slice(0, maxDoubts);
}

/** The parts of the object that this policy does not have, as only a waypoint can judge them. */
function leftOut({ source }: Policy): Omit<Doubt, 'policy'>[] {
  return [
    ...(source?.omitted ?? []).map((part) => describePart(part, 'the rule is left out')),
    ...(source?.ignored ?? []).map((part) => describePart(part, 'applies without what is HTTP')),
  ];
}

function describePart({ rule, attributes }: HttpAttributes, effect: string): Omit<Doubt, 'policy'> {
  return { path: `spec.rules[${rule}]`, message: `${effect}: only a waypoint can judge ${attributes.join(', ')}` };
}

function renderStatus(status: LocalConfigStatus | undefined, { workloads, services, policies }: MeshSnapshot): string {
  if (status === undefined) return 'no local configuration\n';
  const { path, inForce, refused } = status;
  const counts = `${workloads.size} workloads, ${services.size} services, ${policies.size} policies`;
  const version =
    inForce === undefined
      ? 'not yet taken by every data thread'
      : `in force, read ${renderTime(inForce.readAtEpochMs)}, sha256 ${inForce.sha256}`;
  const lines = [`local configuration ${path ?? 'of LOCAL_XDS'}: ${counts}`, `  ${version}`];
  if (refused !== undefined)
    lines.push(`  REFUSED ${renderTime(refused.atEpochMs)}, the version above stays in force: ${refused.message}`);
  return lines.map((line) => `${escapeControl(line)}\n`).join('');
}

function appliesTo(policy: Policy, names: readonly string[]): string {
  if (effectiveScope(policy) === 'Global') return 'all workloads';
  if (policy.scope === 'Namespace') return `namespace ${policy.namespace}`;
  return names.length === 0 ? 'no workload names it' : shorten(names);
}

function shorten(names: readonly string[]): string {
  const more = names.length - maxNamed;
  return names.slice(0, maxNamed).join(' ') + (more > 0 ? ` and ${more} more` : '');
}

function missingOf({ policies }: MeshSnapshot, namedBy: NamedBy): [key: string, names: readonly string[]][] {
  return [...namedBy].filter(([key]) => !policies.has(key)).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function describeReport(shown: Shown, namedBy: NamedBy): unknown {
  const { mesh, policies, limit, localConfig, unknownPolicy } = shown;
  const missing = missingOf(mesh, namedBy);
  const namesOf = (names: readonly string[]) => ({
    namedBy: names.slice(0, limit),
    namedByCount: names.length,
  });
  return {
    localConfig: localConfig === undefined ? null : describeStatus(localConfig),
    unknownPolicy,
    policyCount: mesh.policies.size,
    policies: policies.map(([key, policy]) => ({
      ...describePolicy(policy),
      ...(policy.scope === 'WorkloadSelector' ? namesOf(namedBy.get(key) ?? []) : {}),
    })),
    missingCount: missing.length,
    missing: missing.slice(0, limit).map(([key, names]) => ({ policy: key, ...namesOf(names) })),
    doubts: doubtsOf(shown),
  };
}

function describeStatus({ path, inForce, refused, refusals }: LocalConfigStatus): unknown {
  return {
    path: path ?? null,
    inForce: inForce === undefined ? null : { sha256: inForce.sha256, readAt: renderTime(inForce.readAtEpochMs) },
    refused:
      refused === undefined
        ? null
        : { message: refused.message, sha256: refused.sha256 ?? null, at: renderTime(refused.atEpochMs) },
    refusals,
  };
}
