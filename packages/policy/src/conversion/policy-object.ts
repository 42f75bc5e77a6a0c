/** What this package reads of the metadata of a Kubernetes object. Other fields may be there. */
export interface ObjectMetadata {
  readonly name: string;
  /** Absent: the object is in no namespace that has a name, as in a file that is applied with `kubectl -n`. */
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** RFC 3339, as the API server sets it. Of two objects for the same workloads the older one counts. */
  readonly creationTimestamp?: string;
  /** Counts the changes of the object; told back in its status. */
  readonly generation?: number;
}

/** Which pods an object is for: those that have all these labels. */
export interface WorkloadSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
}

/** Where a connection comes from. All fields that are there must hold; within one field any value. */
export interface PolicyRuleSource {
  readonly principals?: readonly string[];
  readonly notPrincipals?: readonly string[];
  readonly namespaces?: readonly string[];
  readonly notNamespaces?: readonly string[];
  /** `namespace/account`, or `account` of the namespace of the policy. */
  readonly serviceAccounts?: readonly string[];
  readonly notServiceAccounts?: readonly string[];
  /** Addresses or ranges. */
  readonly ipBlocks?: readonly string[];
  readonly notIpBlocks?: readonly string[];
  readonly requestPrincipals?: readonly string[];
  readonly notRequestPrincipals?: readonly string[];
  readonly remoteIpBlocks?: readonly string[];
  readonly notRemoteIpBlocks?: readonly string[];
  readonly trustDomains?: readonly string[];
  readonly notTrustDomains?: readonly string[];
}

/** What a connection is for. All fields that are there must hold; within one field any value. */
export interface PolicyRuleOperation {
  readonly ports?: readonly string[];
  readonly notPorts?: readonly string[];
  readonly hosts?: readonly string[];
  readonly notHosts?: readonly string[];
  readonly methods?: readonly string[];
  readonly notMethods?: readonly string[];
  readonly paths?: readonly string[];
  readonly notPaths?: readonly string[];
}

/** A further condition: `source.ip`, `request.headers[x]`, … */
export interface PolicyRuleCondition {
  readonly key: string;
  readonly values?: readonly string[];
  readonly notValues?: readonly string[];
}

/** Any of `from`, any of `to` and all of `when` must hold; what is absent always does. */
export interface PolicyRule {
  readonly from?: readonly { readonly source?: PolicyRuleSource }[];
  readonly to?: readonly { readonly operation?: PolicyRuleOperation }[];
  readonly when?: readonly PolicyRuleCondition[];
}

/** What a policy for a waypoint is bound to. */
export interface PolicyTargetReference {
  readonly group?: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

/** The actions of an `AuthorizationPolicy`. A node proxy knows the first two. */
export type PolicyObjectAction = 'ALLOW' | 'DENY' | 'AUDIT' | 'CUSTOM';

/**
 * Kubernetes object `security.istio.io/v1 AuthorizationPolicy`.
 * @see https://istio.io/latest/docs/reference/config/security/authorization-policy/
 */
export interface AuthorizationPolicy {
  readonly apiVersion: string;
  readonly kind: 'AuthorizationPolicy';
  readonly metadata: ObjectMetadata;
  readonly spec?: {
    readonly selector?: WorkloadSelector;
    readonly targetRef?: PolicyTargetReference;
    readonly targetRefs?: readonly PolicyTargetReference[];
    /** `ALLOW` if absent. */
    readonly action?: PolicyObjectAction;
    readonly provider?: { readonly name?: string };
    readonly rules?: readonly PolicyRule[];
  };
}

/** Whether plain text is refused (`STRICT`). `UNSET`, or no mode: as the wider object says. `DISABLE` is `PERMISSIVE` here. */
export type PeerAuthenticationMode = 'UNSET' | 'DISABLE' | 'PERMISSIVE' | 'STRICT';

/** One setting of a `PeerAuthentication`. */
export interface PeerAuthenticationTls {
  readonly mode?: PeerAuthenticationMode;
}

/**
 * Kubernetes object `security.istio.io/v1 PeerAuthentication`.
 * @see https://istio.io/latest/docs/reference/config/security/peer_authentication/
 */
export interface PeerAuthentication {
  readonly apiVersion: string;
  readonly kind: 'PeerAuthentication';
  readonly metadata: ObjectMetadata;
  readonly spec?: {
    readonly selector?: WorkloadSelector;
    readonly mtls?: PeerAuthenticationTls;
    /** By port of the workload. Counts only beside a selector. */
    readonly portLevelMtls?: Readonly<Record<string, PeerAuthenticationTls>>;
  };
}

/** An object that policies are made of. */
export type PolicyObject = AuthorizationPolicy | PeerAuthentication;

/** Namespace of the objects that are for the whole mesh, unless its configuration says otherwise. */
export const DEFAULT_ROOT_NAMESPACE = 'istio-system';

/** `namespace/name` of an object: the name of what is made of it, as far as an `AuthorizationPolicy` goes. */
export function objectKey(object: PolicyObject): string {
  return `${object.metadata.namespace ?? ''}/${object.metadata.name}`;
}
