import type { Policy } from '../policy.ts';

/** Which policies apply to a workload, and which of those that it names are not there. */
export interface Selection {
  /** Each once, in an order that stays the same as long as nothing is put or removed. */
  readonly policies: readonly Policy[];
  /** Keys that the workload names and nobody has put, each once, in the order named. */
  readonly missing: readonly string[];
}
