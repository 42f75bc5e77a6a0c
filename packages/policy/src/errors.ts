import type { Problem } from './problem.ts';

/** Stable names of what can go wrong; new ones may be added in a minor version. */
export type PolicyErrorCode =
  /** A policy, or an object to be converted to one, is malformed: `problems` has every place. */
  | 'POLICY_INVALID'
  /** A connection to be judged has an address, a port or an identity that is none, or what it goes to is no workload. */
  | 'POLICY_CONNECTION_INVALID'
  /** The command's arguments make no sense, or a file cannot be read. */
  | 'POLICY_COMMAND_INVALID';

/** Failure of this package. Branch on `code` (stable, semver); the message is for people and may change. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError';
  readonly code: PolicyErrorCode;
  /** What is wrong and where; empty for other codes than POLICY_INVALID. */
  readonly problems: readonly Problem[];

  constructor(
    code: PolicyErrorCode,
    message: string,
    options?: ErrorOptions & { readonly problems?: readonly Problem[] },
  ) {
    super(message, options);
    this.code = code;
    this.problems = options?.problems ?? [];
  }
}
