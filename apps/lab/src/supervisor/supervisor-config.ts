import type { Topology } from '../topology/topology.ts';

/** What the starter tells the supervisor, as one JSON argument. */
export interface SupervisorConfig {
  readonly name: string;
  readonly topology: Topology;
  /** Without the words `proxy ztunnel`, which are appended. */
  readonly ztunnelCommand: readonly string[];
  /** Whether that is the project's own. */
  readonly ownZtunnel: boolean;
  /** Beside what the lab sets; wins over it. */
  readonly ztunnelEnvironment: Readonly<Record<string, string>>;
  /** `false`: no ztunnel, no agent; the network and the pods only. */
  readonly mesh: boolean;
  /** Enrol pods at start. */
  readonly enrol: boolean;
  /** Start a ztunnel again when it ends by itself. */
  readonly restartZtunnel: boolean;
  /** Seconds a workload certificate is valid; what ztunnel asks for if absent. */
  readonly certificateSeconds?: number;
  /** `PASSED_VARIABLES` of the starter, those that it has: all that processes of the lab get. */
  readonly environment: Readonly<Record<string, string>>;
  /** Policy objects that are there from the start; they have been checked. */
  readonly policies: readonly unknown[];
}

/** The only variables of the starter's environment that the lab's processes see. */
export const PASSED_VARIABLES = ['PATH', 'HOME', 'LANG', 'ZTUNNEL_ENGINE', 'ZTUNNEL_TLS_RECORDS'] as const;
