import type { Problem } from '../problem.ts';
import { DataPlace } from '../validation/data-place.ts';
import { invalidPolicy } from '../validation/invalid-policy.ts';
import type {
  AuthorizationPolicy,
  ObjectMetadata,
  PeerAuthentication,
  PeerAuthenticationTls,
  PolicyObject,
  PolicyTargetReference,
  WorkloadSelector,
} from './policy-object.ts';
import { present } from './present-fields.ts';
import { fieldsOf, readEachValue, readText, readTextMap } from './read-fields.ts';
import { readRule } from './read-rule.ts';

const GROUP = 'security.istio.io/';
const API_VERSIONS = ['security.istio.io/v1', 'security.istio.io/v1beta1'] as const;
const KINDS = ['AuthorizationPolicy', 'PeerAuthentication'] as const;
const ACTIONS = ['ALLOW', 'DENY', 'AUDIT', 'CUSTOM'] as const;
const MODES = ['UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT'] as const;

/** All fields that Kubernetes has there; only some are read. */
const METADATA_FIELDS = [
  'name',
  'namespace',
  'labels',
  'annotations',
  'creationTimestamp',
  'generation',
  'generateName',
  'selfLink',
  'uid',
  'resourceVersion',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'ownerReferences',
  'finalizers',
  'managedFields',
  'clusterName',
];

/** Kubernetes: a name is made of labels (RFC 1123) with dots between; a namespace is one label. */
const NAME = /^[a-z\d]([-a-z\d]*[a-z\d])?(\.[a-z\d]([-a-z\d]*[a-z\d])?)*$/;
const NAMESPACE = /^[a-z\d]([-a-z\d]*[a-z\d])?$/;

/** What an object is as far as it can be read. */
export interface ReadObject {
  /** Undefined if there are problems. */
  readonly object: PolicyObject | undefined;
  /** What could be read in spite of problems, to look for more of them; undefined if not even the kind could. */
  readonly partial: PolicyObject | undefined;
  /** Of structure; all of them errors. */
  readonly problems: readonly Problem[];
}

/** Whether a document is one of the objects that policies are made of, by its kind; it need not be well formed. */
export function isPolicyObject(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || !('kind' in value) || !('apiVersion' in value)) return false;
  const { apiVersion, kind } = value;
  // Others have an AuthorizationPolicy, too: policy.linkerd.io.
  return typeof apiVersion === 'string' && apiVersion.startsWith(GROUP) && KINDS.some((known) => known === kind);
}

/**
 * Takes an untyped object for what it says it is. Strict about structure: throws POLICY_INVALID with every unknown field,
 * wrong type, action or mode, and its path. Values inside (ports, addresses) are left as they are, as conversion drops
 * what it cannot read; `findObjectProblems` tells them, too.
 */
export function readPolicyObject(value: unknown): PolicyObject {
  const { object, problems } = parsePolicyObject(value);
  if (object === undefined) throw invalidPolicy(describeObject(value), problems);
  return object;
}

/** As `readPolicyObject`, but never throws. */
export function parsePolicyObject(value: unknown): ReadObject {
  const place = new DataPlace(value);
  const partial = readObject(place);
  return { object: place.problems.length === 0 ? partial : undefined, partial, problems: place.problems };
}

/** `AuthorizationPolicy shop/web`, as far as that can be read; never throws. */
export function describeObject(value: unknown): string {
  const kind = textIn(value, 'kind');
  const metadata = fieldIn(value, 'metadata');
  const name = textIn(metadata, 'name');
  if (kind === undefined || name === undefined) return kind ?? 'object';
  return `${kind} ${textIn(metadata, 'namespace') ?? ''}/${name}`;
}

function textIn(value: unknown, field: string): string | undefined {
  const inside = fieldIn(value, field);
  return typeof inside === 'string' ? inside : undefined;
}

function fieldIn(value: unknown, field: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, field) : undefined;
}

function readObject(place: DataPlace): PolicyObject | undefined {
  const fields = fieldsOf(place, ['apiVersion', 'kind', 'metadata', 'spec', 'status']);
  const apiVersion = fields.required('apiVersion', API_VERSIONS[0], (field) => field.choice(API_VERSIONS));
  const kind = fields.required('kind', KINDS.join(' or '), (field) => field.choice(KINDS));
  const metadata = fields.required('metadata', 'a map with name and namespace', readMetadata);
  if (apiVersion === undefined || metadata === undefined) return undefined;
  switch (kind) {
    case 'AuthorizationPolicy': {
      const spec = fields.optional('spec', readAuthorizationSpec);
      return present<AuthorizationPolicy>({ apiVersion, kind, metadata, spec });
    }
    case 'PeerAuthentication': {
      const spec = fields.optional('spec', readPeerSpec);
      return present<PeerAuthentication>({ apiVersion, kind, metadata, spec });
    }
    case undefined:
      return undefined;
  }
}

function readMetadata(place: DataPlace): ObjectMetadata {
  const fields = fieldsOf(place, METADATA_FIELDS);
  return present<ObjectMetadata>({
    name: fields.required('name', 'the name of the object', (name) => readName(name, NAME)) ?? '',
    namespace: fields.optional('namespace', (namespace) => readName(namespace, NAMESPACE)),
    labels: fields.optional('labels', readTextMap),
    annotations: fields.optional('annotations', readTextMap),
    creationTimestamp: fields.optional('creationTimestamp', readTime),
    generation: fields.optional('generation', (generation) => generation.integer(Number.MAX_SAFE_INTEGER)),
  });
}

function readName(place: DataPlace, form: RegExp): string | undefined {
  const name = readText(place);
  return name === undefined || form.test(name) ? name : place.refuse('lower-case letters, digits and -');
}

function readTime(place: DataPlace): string | undefined {
  const text = readText(place);
  return text !== undefined && Number.isNaN(Date.parse(text)) ? place.refuse('a time as 2026-01-31T00:00:00Z') : text;
}

function readAuthorizationSpec(place: DataPlace): NonNullable<AuthorizationPolicy['spec']> {
  const fields = fieldsOf(place, ['selector', 'targetRef', 'targetRefs', 'action', 'provider', 'rules']);
  return present<NonNullable<AuthorizationPolicy['spec']>>({
    selector: fields.optional('selector', readSelector),
    targetRef: fields.optional('targetRef', readTarget),
    targetRefs: fields.optional('targetRefs', (targets) => targets.list(readTarget)),
    action: fields.optional('action', (action) => action.choice(ACTIONS)),
    provider: fields.optional('provider', readProvider),
    rules: fields.optional('rules', (rules) => rules.list(readRule)),
  });
}

function readPeerSpec(place: DataPlace): NonNullable<PeerAuthentication['spec']> {
  const fields = fieldsOf(place, ['selector', 'mtls', 'portLevelMtls']);
  return present<NonNullable<PeerAuthentication['spec']>>({
    selector: fields.optional('selector', readSelector),
    mtls: fields.optional('mtls', readTls),
    portLevelMtls: fields.optional('portLevelMtls', (ports) => readEachValue(ports, readTls)),
  });
}

function readSelector(place: DataPlace): WorkloadSelector {
  const matchLabels = fieldsOf(place, ['matchLabels']).optional('matchLabels', readTextMap);
  return present<WorkloadSelector>({ matchLabels });
}

function readTarget(place: DataPlace): PolicyTargetReference {
  const fields = fieldsOf(place, ['group', 'kind', 'name', 'namespace']);
  return present<PolicyTargetReference>({
    group: fields.optional('group', readText),
    kind: fields.required('kind', 'Gateway, GatewayClass, Service or ServiceEntry', readText) ?? '',
    name: fields.required('name', 'the name of what the policy is bound to', readText) ?? '',
    namespace: fields.optional('namespace', readText),
  });
}

function readProvider(place: DataPlace): { readonly name?: string } {
  const name = fieldsOf(place, ['name']).optional('name', readText);
  return name === undefined ? {} : { name };
}

function readTls(place: DataPlace): PeerAuthenticationTls {
  const mode = fieldsOf(place, ['mode']).optional('mode', (field) => field.choice(MODES));
  return mode === undefined ? {} : { mode };
}
