import { PolicyError } from '../errors.ts';
import type { Policy } from '../policy.ts';
import { describeValue } from '../validation/describe-value.ts';
import { invalidPolicy } from '../validation/invalid-policy.ts';
import { type ConversionOptions, convertAuthorizationPolicy } from './convert-authorization-policy.ts';
import { convertPeerAuthentication, staticStrictPolicy } from './convert-peer-authentication.ts';
import { peerAuthenticationKeys, strictObjectKeys } from './effective-peer-authentication.ts';
import { findMissingNamespace } from './find-missing-namespace.ts';
import {
  findOldest,
  type PeerAuthenticationScopes,
  type SelectedWorkload,
  selectsWorkloads,
} from './peer-authentication-scope.ts';
import {
  type AuthorizationPolicy,
  DEFAULT_ROOT_NAMESPACE,
  objectKey,
  type PeerAuthentication,
  type PolicyObject,
} from './policy-object.ts';
import type { PolicyObjectStatus } from './policy-status.ts';
import { readPolicyObject } from './read-policy-object.ts';

/** How a set of objects is converted. */
export interface SetConversionOptions extends ConversionOptions {
  /**
   * Whether objects without a namespace are taken, as `convertAuthorizationPolicy` takes one; off unless given. For showing
   * what becomes of them: no proxy may get the policies, which would be for the whole mesh.
   */
  readonly withoutNamespace?: boolean;
}

/** What a set of objects means to node proxies. */
export interface Conversion {
  /** What node proxies get, in the order of the objects; what every PeerAuthentication stands on comes last. */
  readonly policies: readonly Policy[];
  /** Of each AuthorizationPolicy that is for node proxies. */
  readonly statuses: readonly PolicyObjectStatus[];
  /**
   * Keys of the policies that a workload names, for `TargetWorkload.authorizationPolicies`, in the order of the
   * reference. Policies of its namespace and of the mesh apply without being named; that of a waypoint
   * (`allowWaypointPolicy`) is not among them.
   */
  readonly policiesOf: (workload: SelectedWorkload) => readonly string[];
  /**
   * Keys of the STRICT PeerAuthentications any of which suffices that plain text to a workload is refused, the narrowest
   * first. The policy that refuses it may be one for all of them, and so does not tell.
   */
  readonly strictBy: (workload: SelectedWorkload) => readonly string[];
}

/**
 * Converts objects as the control plane does (spec istiod.md §6). Of two with the same kind and key the later counts.
 * Costs what the objects are; `policiesOf` costs what there is in the namespace of the workload. Values that
 * cannot be read (ports, addresses) are dropped; `findObjectProblems` tells them. Throws POLICY_INVALID for what
 * `readPolicyObject` refuses, and for an object without a namespace; `policiesOf` and `strictBy` do for what is no workload.
 */
export function convertPolicies(objects: Iterable<PolicyObject>, options: SetConversionOptions = {}): Conversion {
  const { rootNamespace = DEFAULT_ROOT_NAMESPACE, withoutNamespace = false } = options;
  const authorization = new Map<string, AuthorizationPolicy>();
  const peer = new Map<string, PeerAuthentication>();
  for (const given of objects) {
    // Data from nowhere typed would mean something else: a DENY policy with a typo would be none.
    const object = readPolicyObject(given);
    if (!withoutNamespace) checkNamespace(object);
    if (object.kind === 'AuthorizationPolicy') authorization.set(objectKey(object), object);
    else peer.set(objectKey(object), object);
  }
  const policies: Policy[] = [];
  const statuses: PolicyObjectStatus[] = [];
  const named = new NamespaceLists<AuthorizationPolicy>();
  for (const object of authorization.values()) {
    const { policy, status } = convertAuthorizationPolicy(object, options);
    if (status !== undefined) statuses.push(status);
    if (policy === undefined) continue;
    policies.push(policy);
    if (policy.scope === 'WorkloadSelector') named.add(object);
  }
  const modes = new PeerAuthentications(peer.values(), rootNamespace);
  for (const object of peer.values()) {
    const policy = convertPeerAuthentication(
      object,
      modes.scopesOf(object.metadata.namespace ?? '', object),
      rootNamespace,
    );
    if (policy !== undefined) policies.push(policy);
  }
  if (peer.size > 0) policies.push(staticStrictPolicy(rootNamespace));
  return {
    policies,
    statuses,
    policiesOf(workload) {
      checkSelected(workload);
      return [...namedBy(workload, named, rootNamespace), ...modes.keysOf(workload)];
    },
    strictBy(workload) {
      checkSelected(workload);
      return modes.strictBy(workload);
    },
  };
}

/** In a cluster each object is in one: to node proxies, a policy of none is for the whole mesh. */
function checkNamespace(object: PolicyObject): void {
  const [problem] = findMissingNamespace(object);
  if (problem !== undefined) throw invalidPolicy(objectKey(object), [problem]);
}

/** Without labels it would look like a workload that few policies are for. */
function checkSelected(workload: SelectedWorkload | null | undefined): void {
  if (workload === null || workload === undefined) throw refuse('want a workload', workload);
  const { namespace, labels }: { namespace: unknown; labels: unknown } = workload;
  if (typeof namespace !== 'string') throw refuse('namespace of the workload: want text', namespace);
  if (typeof labels !== 'object' || labels === null) throw refuse('labels of the workload: want a map', labels);
}

function refuse(what: string, value: unknown): PolicyError {
  return new PolicyError('POLICY_INVALID', `${what}, not ${describeValue(value)}`);
}

function namedBy(
  workload: SelectedWorkload,
  named: NamespaceLists<AuthorizationPolicy>,
  rootNamespace: string,
): readonly string[] {
  const namespaces = new Set([workload.namespace, rootNamespace]);
  return [...namespaces]
    .flatMap((namespace) => named.of(namespace))
    .filter((object) => isSelected(object, workload))
    .map(objectKey)
    .toSorted();
}

/** Whether the labels of a workload are what an object selects. An empty selector selects nothing (spec istiod.md §6.1, kept as in the reference). */
export function isSelected({ spec }: PolicyObject, { labels }: SelectedWorkload): boolean {
  const wanted = spec?.selector?.matchLabels ?? {};
  const names = Object.keys(wanted);
  return names.length > 0 && names.every((name) => Object.hasOwn(labels, name) && labels[name] === wanted[name]);
}

/** Objects by their namespace. */
class NamespaceLists<T extends PolicyObject> {
  readonly #lists = new Map<string, T[]>();

  add(object: T): void {
    const { namespace = '' } = object.metadata;
    const list = this.#lists.get(namespace);
    if (list === undefined) this.#lists.set(namespace, [object]);
    else list.push(object);
  }

  [Symbol.iterator](): Iterator<readonly [string, readonly T[]]> {
    return this.#lists.entries();
  }

  of(namespace: string): readonly T[] {
    return this.#lists.get(namespace) ?? [];
  }
}

/** All PeerAuthentications: which of them count for what. */
class PeerAuthentications {
  readonly #rootNamespace: string;
  /** Those for a whole namespace, by that, that count: the oldest one, and the one that does without it. */
  readonly #wide = new Map<string, readonly PeerAuthentication[]>();
  readonly #selecting = new NamespaceLists<PeerAuthentication>();

  constructor(objects: Iterable<PeerAuthentication>, rootNamespace: string) {
    this.#rootNamespace = rootNamespace;
    const wide = new NamespaceLists<PeerAuthentication>();
    for (const object of objects) (selectsWorkloads(object) ? this.#selecting : wide).add(object);
    for (const [namespace, list] of wide) {
      const oldest = findOldest(list);
      const second = findOldest(list.filter((object) => object !== oldest));
      this.#wide.set(
        namespace,
        [oldest, second].filter((object) => object !== undefined),
      );
    }
  }

  /** What counts in a namespace, leaving out `except`. */
  scopesOf(namespace: string, except?: PeerAuthentication): PeerAuthenticationScopes {
    const oldest = (place: string) => this.#wide.get(place)?.find((object) => object !== except);
    return { mesh: oldest(this.#rootNamespace), namespace: oldest(namespace) };
  }

  keysOf(workload: SelectedWorkload): readonly string[] {
    return peerAuthenticationKeys(this.#ownOf(workload), this.scopesOf(workload.namespace), this.#rootNamespace);
  }

  strictBy(workload: SelectedWorkload): readonly string[] {
    return strictObjectKeys(this.#ownOf(workload), this.scopesOf(workload.namespace));
  }

  #ownOf(workload: SelectedWorkload): PeerAuthentication | undefined {
    // Objects of the root namespace that select workloads count for none, not even for those of that namespace.
    const selecting = workload.namespace === this.#rootNamespace ? [] : this.#selecting.of(workload.namespace);
    return findOldest(selecting.filter((object) => isSelected(object, workload)));
  }
}
