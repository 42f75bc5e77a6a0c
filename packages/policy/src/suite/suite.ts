import type { SourceIdentity } from '../policy.ts';

/** Instead of the key of a policy: no policy's rules decide, but that there are no ALLOW policies, or that none of them matches. */
export const NO_POLICY = 'none';

/** Instead of the key of a policy: that plain text is refused decides, whichever PeerAuthentication says so. */
export const STRICT_MODE = 'strict';

/** A workload that tests are about. */
export interface SuiteWorkload {
  /** As reports call it. */
  readonly name: string;
  readonly namespace: string;
  /** What the selectors of policies look at. */
  readonly labels: Readonly<Record<string, string>>;
  readonly identity: SourceIdentity;
  /** Undefined: a test fails as undecided if a policy asks for the address. */
  readonly ip: string | undefined;
  /** Keys of policies that it names besides those whose selectors match it. */
  readonly authorizationPolicies: readonly string[];
}

/** Where the connection of a test comes from. */
export interface SuiteClient {
  /** As reports call it. */
  readonly name: string;
  /** Undefined for plain text. */
  readonly identity: SourceIdentity | undefined;
  readonly ip: string | undefined;
}

/** What is expected of one connection. */
export interface Expectation {
  /** `sleep to httpbin, port 8000: allow`, unless the suite has a name for it. */
  readonly name: string;
  /** In the suite: `tests[3]`. */
  readonly path: string;
  readonly from: SuiteClient;
  readonly to: SuiteWorkload;
  readonly port: number;
  readonly expect: 'allow' | 'deny';
  /**
   * `namespace/name` of a policy that has to be among those that decide, or of an object it was made of; or NO_POLICY, or
   * STRICT_MODE.
   */
  readonly by: string | undefined;
  /** What is expected if all dry-run policies were enforced; undefined if nothing is. */
  readonly enforced: 'allow' | 'deny' | undefined;
}

/** Policies that a suite is about: files and folders beside it, and objects in it. */
export type SuitePolicies =
  | { readonly kind: 'file'; readonly file: string }
  /** Untyped: an AuthorizationPolicy, a PeerAuthentication or a policy as node proxies know it. */
  | { readonly kind: 'object'; readonly path: string; readonly value: unknown };

/** Expectations of policies. */
export interface Suite {
  /** Namespace of the objects that are for the whole mesh; undefined: the usual one. */
  readonly rootNamespace: string | undefined;
  /** Namespace of objects that have none; undefined: they have to have one. */
  readonly namespace: string | undefined;
  readonly policies: readonly SuitePolicies[];
  readonly tests: readonly Expectation[];
}

/** What is expected to decide, in words. */
export function describeDecider(by: string): string {
  return by === NO_POLICY ? 'no policy' : by === STRICT_MODE ? 'STRICT' : by;
}
