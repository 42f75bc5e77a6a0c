import { complete, type DataFields, DataPlace } from '../validation/data-place.ts';
import { invalidPolicy } from '../validation/invalid-policy.ts';
import { readClient, readKey, readPort, readTarget, readWorkload, type SuiteScope } from './read-endpoint.ts';
import {
  describeDecider,
  type Expectation,
  NO_POLICY,
  STRICT_MODE,
  type Suite,
  type SuitePolicies,
  type SuiteWorkload,
} from './suite.ts';

/**
 * Untyped data as a suite of expectations. Throws POLICY_INVALID with every mistake and its path: unknown and missing
 * fields, wrong kinds, names of workloads that are not there.
 */
export function readSuite(value: unknown): Suite {
  const place = new DataPlace(value);
  const fields = place.fields(['rootNamespace', 'namespace', 'trustDomain', 'policies', 'workloads', 'tests']);
  const trustDomain = fields.optional('trustDomain', (field) => field.text()) ?? DEFAULT_TRUST_DOMAIN;
  const workloads = fields.optional('workloads', (field) => readWorkloads(field, trustDomain)) ?? new Map();
  const scope: SuiteScope = { trustDomain, workloads };
  const rootNamespace = fields.optional('rootNamespace', (field) => field.text());
  const namespace = fields.optional('namespace', (field) => field.text());
  const policies = fields.optional('policies', (field) => field.list(readPolicies)) ?? [];
  const tests = fields.required('tests', 'a list', (field) => readTests(field, scope));
  if (tests === undefined || place.problems.length > 0) throw invalidPolicy('suite', place.problems);
  return { rootNamespace, namespace, policies, tests };
}

/** Trust domain of workloads where the suite has none. */
const DEFAULT_TRUST_DOMAIN = 'cluster.local';
const ANSWERS = ['allow', 'deny'] as const;

function readWorkloads(place: DataPlace, trustDomain: string): ReadonlyMap<string, SuiteWorkload | undefined> {
  const names = typeof place.value === 'object' && place.value !== null ? Object.keys(place.value) : [];
  const fields = place.fields(names);
  // A name stays known if its workload cannot be read: one complaint is enough.
  return new Map(
    names.map((name) => [name, fields.optional(name, (field) => readWorkload(field, { trustDomain, name }))]),
  );
}

function readPolicies(place: DataPlace): SuitePolicies | undefined {
  const { value, path } = place;
  if (typeof value === 'string')
    return value === '' ? place.refuse('a file, a folder or an object') : { kind: 'file', file: value };
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { kind: 'object', path, value };
  return place.refuse('a file, a folder or an object');
}

/** A suite that tests nothing would always pass. */
function readTests(place: DataPlace, scope: SuiteScope): readonly Expectation[] | undefined {
  const tests = place.list((test) => readTest(test, scope));
  return tests?.length === 0 ? place.fail('is empty: want at least one') : tests;
}

function readTest(place: DataPlace, scope: SuiteScope): Expectation | undefined {
  const fields = place.fields(['name', 'from', 'to', 'port', 'expect', 'by', 'enforced']);
  const parts = complete<Pick<Expectation, 'from' | 'to' | 'port' | 'expect'>>({
    from: fields.required('from', 'a workload, or a map of principal and ip', (field) => readClient(field, scope)),
    to: fields.required('to', 'a workload', (field) => readTarget(field, scope)),
    port: fields.required('port', 'a port', readPort),
    expect: fields.required('expect', 'allow or deny', (field) => field.choice(ANSWERS)),
  });
  const by = fields.optional('by', readDecider);
  const enforced = fields.optional('enforced', (field) => field.choice(ANSWERS));
  const name = readName(fields);
  if (parts === undefined) return undefined;
  return { ...parts, by, enforced, name: name ?? describe(parts, by), path: place.path };
}

function readDecider(place: DataPlace): string | undefined {
  const { value } = place;
  if (value === NO_POLICY || value === STRICT_MODE) return value;
  return readKey(place, 'namespace/name of a policy, strict or none');
}

function readName(fields: DataFields): string | undefined {
  return fields.optional('name', (field) => (field.value === '' ? field.refuse('a name') : field.text()));
}

function describe(
  { from, to, port, expect }: Pick<Expectation, 'from' | 'to' | 'port' | 'expect'>,
  by?: string,
): string {
  return `${from.name} to ${to.name}, port ${port}: ${expect}${by === undefined ? '' : ` by ${describeDecider(by)}`}`;
}
