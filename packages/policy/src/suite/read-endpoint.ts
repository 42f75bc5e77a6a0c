import { parseIpAddress } from '../matching/ip-address.ts';
import { MAX_PORT } from '../matching/port.ts';
import { parsePrincipal } from '../matching/principal.ts';
import type { SourceIdentity } from '../policy.ts';
import type { DataFields, DataPlace } from '../validation/data-place.ts';
import type { SuiteClient, SuiteWorkload } from './suite.ts';

/** What the tests of a suite refer to. */
export interface SuiteScope {
  /** Of identities that are written without one. */
  readonly trustDomain: string;
  /** By name; undefined: it is there, and has mistakes. */
  readonly workloads: ReadonlyMap<string, SuiteWorkload | undefined>;
}

/** Reads a workload; `name` is what reports call it, else its namespace and account. */
export function readWorkload(
  place: DataPlace,
  { name, trustDomain }: { readonly name: string | undefined; readonly trustDomain: string },
): SuiteWorkload | undefined {
  const fields = place.fields(['namespace', 'serviceAccount', 'labels', 'ip', 'authorizationPolicies']);
  const namespace = fields.required('namespace', 'text', readName);
  const serviceAccount = fields.optional('serviceAccount', readName) ?? DEFAULT_ACCOUNT;
  const labels = fields.optional('labels', readLabels) ?? {};
  const ip = fields.optional('ip', readIp);
  const authorizationPolicies = fields.optional('authorizationPolicies', (field) => field.list(readKey)) ?? [];
  if (namespace === undefined) return undefined;
  const identity = { trustDomain, namespace, serviceAccount };
  return {
    name: name ?? `${namespace}/${describeLabels(labels)}`,
    namespace,
    labels,
    identity,
    ip,
    authorizationPolicies,
  };
}

/** The workload of a test: its name in the suite, or itself. */
export function readTarget(place: DataPlace, scope: SuiteScope): SuiteWorkload | undefined {
  if (typeof place.value === 'string') return findWorkload(place, scope);
  return readWorkload(place, { trustDomain: scope.trustDomain, name: undefined });
}

/** The client of a test: the name of a workload, or a map of `workload` or `principal`, `plaintext` and `ip`. */
export function readClient(place: DataPlace, scope: SuiteScope): SuiteClient | undefined {
  if (typeof place.value === 'string') return findWorkload(place, scope);
  const fields = place.fields(['workload', 'principal', 'plaintext', 'ip']);
  const workload = fields.optional('workload', (field) => findWorkload(field, scope));
  const identity = fields.optional('principal', readPrincipal);
  const ip = fields.optional('ip', readIp) ?? workload?.ip;
  const plaintext = fields.optional('plaintext', (field) => field.boolean()) ?? false;
  refuseNonsense(place, fields, plaintext);
  const proved = plaintext ? undefined : (identity ?? workload?.identity);
  const who = workload?.name ?? (identity === undefined ? undefined : describeIdentity(identity));
  return { name: describeClient(who, proved === undefined, ip), identity: proved, ip };
}

/** A port of a workload. */
export function readPort(place: DataPlace): number | undefined {
  return place.value === 0 ? place.refuse('a port from 1 to 65535') : place.integer(MAX_PORT);
}

/** Key of a policy. */
export function readKey(place: DataPlace, want = 'namespace/name of a policy'): string | undefined {
  const text = place.text();
  return text === undefined || KEY.test(text) ? text : place.refuse(want);
}

const DEFAULT_ACCOUNT = 'default';
const KEY = /^[^/\s]*\/[^/\s]+$/;

function findWorkload(place: DataPlace, { workloads }: SuiteScope): SuiteWorkload | undefined {
  const name = place.text();
  if (name === undefined) return undefined;
  if (workloads.has(name)) return workloads.get(name);
  const names = [...workloads.keys()].join(', ');
  return place.refuse(`one of the workloads (${names === '' ? 'the suite has none' : names})`);
}

function refuseNonsense(place: DataPlace, fields: DataFields, plaintext: boolean): void {
  const has = (name: string): boolean => fields.optional(name, () => true) === true;
  if (has('workload') && has('principal')) place.fail('has workload and principal: want one of them');
  else if (has('principal') && plaintext) place.fail('has principal and plaintext: plain text proves none');
  else if (has('plaintext') && !plaintext && !has('workload') && !has('principal'))
    place.fail('plaintext is false: want workload or principal');
  else if (!['workload', 'principal', 'ip', 'plaintext'].some(has))
    place.fail('want workload, principal, or ip of a client in plain text');
}

function describeClient(who: string | undefined, plaintext: boolean, ip: string | undefined): string {
  if (!plaintext) return who ?? '';
  return `${who ?? 'a client'}${who === undefined && ip !== undefined ? ` at ${ip}` : ''} in plain text`;
}

function describeIdentity({ trustDomain, namespace, serviceAccount }: SourceIdentity): string {
  return `${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
}

function describeLabels(labels: Readonly<Record<string, string>>): string {
  const list = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  return list.length === 0 ? '*' : list.join(',');
}

function readPrincipal(place: DataPlace): SourceIdentity | undefined {
  const text = place.text();
  if (text === undefined) return undefined;
  return parsePrincipal(text) ?? place.refuse('TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT');
}

function readName(place: DataPlace): string | undefined {
  const text = place.text();
  return text === undefined || /^[^/\s]+$/.test(text) ? text : place.refuse('a name without / and spaces');
}

function readLabels(place: DataPlace): Readonly<Record<string, string>> | undefined {
  const { value } = place;
  const names = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  const fields = place.fields(names);
  const labels = names.map((name) => [name, fields.optional(name, (field) => field.text())] as const);
  return labels.every((label): label is [string, string] => label[1] !== undefined)
    ? Object.fromEntries(labels)
    : undefined;
}

function readIp(place: DataPlace): string | undefined {
  const text = place.text();
  return text === undefined || parseIpAddress(text) !== undefined ? text : place.refuse('an IPv4 or IPv6 address');
}
