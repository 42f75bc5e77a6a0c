import type { Problem } from '@ambientmesh/policy';

/** What became of an object that was applied. */
export interface PolicyChange {
  /** `KIND/NAMESPACE/NAME`. */
  readonly object: string;
  readonly change: 'created' | 'configured' | 'unchanged' | 'deleted';
  /** What its author should know: values that hardly do what was meant, and what the conversion says of it. */
  readonly notes: readonly string[];
}

/** An object that was refused. */
export interface RefusedPolicy {
  /** `KIND/NAMESPACE/NAME`, `?` for what it does not say. */
  readonly object: string;
  /** Which one of those that were given, from 0. */
  readonly index: number;
  /** At least one, all of them errors. */
  readonly problems: readonly Problem[];
  /** Whether a previous version of it stays in force. */
  readonly previous: boolean;
}

/** What became of all objects that were applied or deleted. */
export interface PolicyReport {
  readonly changes: readonly PolicyChange[];
  readonly refused: readonly RefusedPolicy[];
  /** Names of the nodes whose ztunnel was restarted for it: of those that do not read changes while they run. */
  readonly restarted: readonly string[];
}

/** An object that is in force, or was refused from the first. */
export interface PolicyStatus {
  /** `KIND/NAMESPACE/NAME`. */
  readonly object: string;
  /** As written: `ALLOW`, `DENY`, …, or the modes of a `PeerAuthentication`: `STRICT, 9000 PERMISSIVE`. */
  readonly effect: string;
  /** Observed, never enforced. */
  readonly dryRun: boolean;
  /** How often it has been changed, the first time included; 0 as long as no version has been taken: `refused` says why. */
  readonly generation: number;
  /** Whether the ztunnels enforce it (or observe it); `false`: the conversion leaves it out, `notes` say why. */
  readonly accepted: boolean;
  /** Whether every ztunnel that ran has said that it goes by this version. One that was late may since. */
  readonly confirmed: boolean;
  /** Names of the pods it is for. */
  readonly pods: readonly string[];
  readonly notes: readonly string[];
  /** What was wrong with a newer version that was refused since: this is the previous one. */
  readonly refused: readonly Problem[];
}
