import type { LabErrorCode } from './errors.ts';
import type { PolicyReport, PolicyStatus } from './policies/policy-report.ts';

/** A request to the lab: one JSON object a line over the control socket. `id` is the asker's own and comes back. */
export interface ControlRequest {
  readonly id: number;
  readonly operation: ControlOperation;
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** What can be asked of a lab, and what its result is. */
export interface ControlResults {
  readonly status: LabStatus;
  /** Names of the nodes whose ztunnel was restarted for it; as of `unenrol`. */
  readonly enrol: readonly string[];
  readonly unenrol: readonly string[];
  readonly 'ztunnel-signal': null;
  readonly 'ztunnel-stop': null;
  readonly 'ztunnel-start': null;
  readonly 'ztunnel-restart': null;
  /** The text comes as events. */
  readonly logs: null;
  /** The capture's number. */
  readonly 'capture-start': number;
  readonly 'capture-stop': CaptureResult;
  readonly metrics: string;
  readonly certificates: readonly CertificateStatus[];
  readonly 'policy-apply': PolicyReport;
  readonly 'policy-delete': PolicyReport;
  readonly 'policy-list': readonly PolicyStatus[];
  readonly down: null;
}

/** Names of what can be asked. */
export type ControlOperation = keyof ControlResults;

/** An answer (`result` or `error`, last of its id) or, before it, an event of a stream. */
export type ControlMessage =
  | { readonly id: number; readonly event: unknown }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { readonly code: LabErrorCode; readonly message: string } };

/** What the supervisor tells its starter while the lab comes up, one JSON object a line. */
export type StartReport =
  | { readonly step: string }
  | { readonly ready: true }
  | { readonly error: { readonly code: LabErrorCode; readonly message: string } };

/** A process the lab runs. */
export interface ProcessStatus {
  /** As the lab's own processes see it (`lab exec POD -- ps`). */
  readonly pid: number | undefined;
  readonly running: boolean;
  /** How often it has been started, for whatever reason, the first time included. */
  readonly starts: number;
  /** How often the lab has started it again after it ended by itself. */
  readonly restarts: number;
  /** Exit code or signal of its last end. */
  readonly lastExit?: string;
}

/** A pod as the lab sees it. */
export interface PodStatus {
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly node: string;
  readonly address: string;
  readonly address6?: string;
  readonly uid: string;
  readonly process: ProcessStatus;
  readonly enrolled: boolean;
}

/** A node as the lab sees it. */
export interface NodeStatus {
  readonly name: string;
  readonly address: string;
  readonly ztunnel: ProcessStatus;
  /** Connections of ztunnels to the node's agent. */
  readonly agentConnections: number;
  /** Whether `http://NODE:15021/healthz/ready` answers 200. */
  readonly ready: boolean;
}

/** Everything `lab status` shows. */
export interface LabStatus {
  readonly name: string;
  readonly startedAt: string;
  readonly ipv6: boolean;
  readonly ztunnelCommand: readonly string[];
  readonly nodes: readonly NodeStatus[];
  readonly pods: readonly PodStatus[];
  readonly services: readonly {
    readonly hostname: string;
    readonly vip: string;
    readonly ports: Readonly<Record<string, number>>;
    readonly endpoints: readonly string[];
  }[];
}

/** A certificate the lab's authority has issued. */
export interface CertificateStatus {
  readonly spiffeId: string;
  /** The node whose token was used. */
  readonly node: string;
  readonly serial: string;
  /** ISO 8601. */
  readonly notBefore: string;
  readonly notAfter: string;
}

/** Frames of a capture. */
export interface CaptureResult {
  /** Base64 of each frame, Ethernet header first. */
  readonly frames: readonly string[];
  /** Frames that were seen but not kept, for the capture had reached its limit. */
  readonly dropped: number;
}
