import type { PolicySource } from './policy-source.ts';

/** How a text is compared: exactly, by its beginning or end, or by not being empty (`presence`). */
export type StringMatch =
  | { readonly kind: 'exact' | 'prefix' | 'suffix'; readonly value: string }
  | { readonly kind: 'presence' };

/** Addresses of one family that share their first `length` bits. Host bits in `address` are ignored. */
export interface AddressRange {
  /** Textual IPv4 or IPv6 address. */
  readonly address: string;
  readonly length: number;
}

export interface ServiceAccountMatch {
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** All fields must hold; within one field any value. An absent or empty list is no condition. */
export interface Match {
  readonly namespaces?: readonly StringMatch[];
  readonly notNamespaces?: readonly StringMatch[];
  /** Compared with the identity without `spiffe://`. */
  readonly principals?: readonly StringMatch[];
  readonly notPrincipals?: readonly StringMatch[];
  readonly sourceIps?: readonly AddressRange[];
  readonly notSourceIps?: readonly AddressRange[];
  readonly destinationIps?: readonly AddressRange[];
  readonly notDestinationIps?: readonly AddressRange[];
  readonly destinationPorts?: readonly number[];
  readonly notDestinationPorts?: readonly number[];
  readonly serviceAccounts?: readonly ServiceAccountMatch[];
  readonly notServiceAccounts?: readonly ServiceAccountMatch[];
}

/** Any match suffices; without matches it holds for everything. */
export type Clause = readonly Match[];
/** All clauses must hold; without clauses it holds for everything. */
export type Rule = readonly Clause[];

/** An authorization policy (spec policy.md §1). Plain data: it may be cloned, stored and sent to threads. */
export interface Policy {
  readonly name: string;
  readonly namespace: string;
  /** Which workloads it applies to: all, those of its namespace (all if that is empty), or those that name it. */
  readonly scope: 'Global' | 'Namespace' | 'WorkloadSelector';
  readonly action: 'Allow' | 'Deny';
  /** Observed, never enforced. */
  readonly dryRun: boolean;
  /** Any rule suffices; without rules it matches nothing. */
  readonly rules: readonly Rule[];
  /** Where it comes from, if it was converted by this package. */
  readonly source?: PolicySource;
}

/** What policies see of the workload that a connection goes to: any object that has these two fields. */
export interface TargetWorkload {
  readonly namespace: string;
  /** Keys (`namespace/name`) of the policies that apply to it by name; those of its namespace and global ones do anyway. */
  readonly authorizationPolicies: readonly string[];
}

/** Who a connection comes from, as proved by its certificate. No part has a slash. */
export interface SourceIdentity {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** A connection as policies see it. Addresses are canonical text: v4-mapped ones are written as v4. */
export interface Connection {
  /** Absent for plain text. */
  readonly identity: SourceIdentity | undefined;
  readonly sourceIp: string;
  readonly destinationIp: string;
  readonly destinationPort: number;
}
