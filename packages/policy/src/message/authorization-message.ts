/**
 * `istio.security.Authorization` as JSON of protocol buffers: what a node proxy receives for one policy (spec policy.md §1).
 * Fields at their default are left out: scope GLOBAL, action ALLOW, empty texts and lists.
 */
export interface AuthorizationMessage {
  readonly name?: string;
  readonly namespace?: string;
  readonly scope?: 'NAMESPACE' | 'WORKLOAD_SELECTOR';
  readonly action?: 'DENY';
  /** Rules of the policy. */
  readonly groups?: readonly GroupMessage[];
  readonly dryRun?: true;
}

/** A rule: all of its clauses must hold. */
export interface GroupMessage {
  readonly rules?: readonly ClauseMessage[];
}

/** A clause: any of its matches suffices. */
export interface ClauseMessage {
  readonly matches?: readonly MatchMessage[];
}

export interface MatchMessage {
  readonly namespaces?: readonly StringMatchMessage[];
  readonly notNamespaces?: readonly StringMatchMessage[];
  readonly principals?: readonly StringMatchMessage[];
  readonly notPrincipals?: readonly StringMatchMessage[];
  readonly sourceIps?: readonly AddressMessage[];
  readonly notSourceIps?: readonly AddressMessage[];
  readonly destinationIps?: readonly AddressMessage[];
  readonly notDestinationIps?: readonly AddressMessage[];
  readonly destinationPorts?: readonly number[];
  readonly notDestinationPorts?: readonly number[];
  readonly serviceAccounts?: readonly ServiceAccountMessage[];
  readonly notServiceAccounts?: readonly ServiceAccountMessage[];
}

export type StringMatchMessage =
  | { readonly exact: string }
  | { readonly prefix: string }
  | { readonly suffix: string }
  | { readonly presence: Readonly<Record<string, never>> };

export interface AddressMessage {
  /** 4 or 16 bytes in base64. */
  readonly address: string;
  /** Bits that count; absent for 0. */
  readonly length?: number;
}

export interface ServiceAccountMessage {
  readonly namespace?: string;
  readonly serviceAccount?: string;
}
