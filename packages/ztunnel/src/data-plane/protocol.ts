/**
 * Everything the control thread and a data thread say to one another. They share nothing else. All of it is plain data
 * that survives structured cloning; descriptors are numbers, for they belong to the process.
 */

import type { Connection, Explanation, Policy } from '@ambientmesh/policy';
import type { LookupResult } from '../dns/lookup.ts';
import type { Service } from '../state/service.ts';
import type { Endpoint, Workload } from '../state/workload.ts';
import type { EngineName, TlsRecords } from './choose-engine.ts';
import type { Diagnosis, DiagnosisWanted } from './thread-diagnosis.ts';

/** The pod a proxy runs for, as the node agent tells it. */
export interface PodInfo {
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** Ports in a pod's namespace. */
export interface PodPorts {
  readonly outbound: number;
  readonly inboundPlaintext: number;
  readonly inboundHbone: number;
}

/**
 * Numbers from which on descriptors are not for connections: the kernel gives the lowest that is free. What is left is for
 * the rest of the process: its servers, certificates, the node agent.
 */
export interface DescriptorLimits {
  /** Of accepted ones. */
  readonly accepted: number;
  /** Of those that connections of their own open: applications of tunnels that there are come before new ones. */
  readonly dialled: number;
}

/** Which lines a data thread makes: those that nobody prints cost nothing. */
export interface LogLevels {
  /** Whether lines of the `access` target are printed at all, and at DEBUG too. */
  readonly accessLog: { readonly info: boolean; readonly debug: boolean };
  /** Level of the lines about single policies (spec policy.md §4.4); `off`: none. */
  readonly policyLog: 'info' | 'debug' | 'off';
  /** Whether a line is printed for each running connection that a change of policies ends (spec policy.md §5). */
  readonly policyCutLog: boolean;
}

/** What a synchronous engine holds now. */
export interface EngineHoldings {
  /** Watched descriptors. */
  readonly descriptors: number;
  /** Pieces of `SLAB_BYTES` with bytes that peers have not taken. */
  readonly slabs: number;
  /** TLS connections of OpenSSL. */
  readonly tlsHandles: number;
}

/** How long the turns of a synchronous engine took. */
export interface TurnTimes {
  readonly turns: number;
  readonly totalMs: number;
  /** Turns of at most 2^index microseconds and more than half of that; the last: all longer ones. */
  readonly buckets: readonly number[];
}

/** What a synchronous engine tells of itself; `turnTimes`: since the last report. */
export interface EngineReport {
  readonly holdings: EngineHoldings;
  readonly turnTimes: TurnTimes;
}

/** What a data thread needs to know of the configuration; fixed for its life, but for the log levels. */
export interface DataPlaneConfig extends LogLevels {
  /** 0-based number of the thread, and how many there are. */
  readonly thread: number;
  readonly threads: number;
  /** Descriptors of the process that connections may take. */
  readonly descriptorLimits: DescriptorLimits;
  /** Bytes that peers have not taken, of all connections of the thread; where the engine has a limit. */
  readonly unsentBytes: number;
  readonly tlsRecords: TlsRecords;
  readonly network: string;
  readonly clusterId: string;
  readonly packetMark: number;
  readonly portReuse: boolean;
  readonly ipv6: boolean;
  /** Source spoofing towards the application: tried, required, or never. */
  readonly originalSource: 'try' | 'require' | 'off';
  readonly ports: PodPorts;
  readonly keepAlive:
    | { readonly idleSeconds: number; readonly intervalSeconds: number; readonly count: number }
    | false;
  readonly userTimeoutMs: number | undefined;
  readonly poolMaxStreams: number;
  readonly poolIdleMs: number;
  readonly streamWindow: number;
  readonly connectionWindow: number;
  readonly maxFrame: number;
  readonly responseBaggage: boolean;
  /** Whether the control thread looks names up. */
  readonly lookups: boolean;
  /** Of the socks5 front in every pod, when on. */
  readonly socks5Port: number | undefined;
  readonly logFormat: 'plain' | 'json';
  /** What a policy does that a workload names and nobody has put: `skip` is what the reference does. */
  readonly unknownPolicy: 'deny' | 'skip';
}

/** A certificate with its key and the roots it came with, for one identity. */
export interface CertificateMaterial {
  /** `spiffe://…` */
  readonly identity: string;
  readonly chainPem: string;
  readonly privateKeyPem: string;
  readonly rootsPem: readonly string[];
}

/** One piece of what discovery says. */
export type StateChange =
  | { readonly type: 'workload'; readonly workload: Workload; readonly endpoints: readonly Endpoint[] }
  | { readonly type: 'workload-removed'; readonly uid: string }
  | { readonly type: 'service'; readonly service: Service }
  | { readonly type: 'service-removed'; readonly key: string }
  | { readonly type: 'policy'; readonly policy: Policy }
  /** `key`: `namespace/name`. */
  | { readonly type: 'policy-removed'; readonly key: string };

export type ToDataThread =
  | StateChange
  /**
   * A part of the next batch, which nobody sees yet. Answered by `batch-taken`: then the next part may come. Until the last,
   * a `batch`, is answered nothing else is to be said that changes what is known of the mesh.
   */
  | { readonly type: 'batch-part'; readonly changes: readonly StateChange[] }
  /**
   * The rest of a batch, or a whole one: all of it is in force before any connection sees a part of it; running connections
   * are judged once, after the last. Answered by `batch-taken`, when the next one costs no more than itself.
   */
  | { readonly type: 'batch'; readonly changes: readonly StateChange[] }
  | { readonly type: 'certificate'; readonly certificate: CertificateMaterial }
  /** No valid certificate is held and the last try failed: connections that wait for it end with `message`. */
  | { readonly type: 'certificate-unavailable'; readonly identity: string; readonly message: string }
  | { readonly type: 'certificate-forgotten'; readonly identity: string }
  /** The whole set of revocation lists, PEM or DER, read and found good: it replaces the one before. */
  | { readonly type: 'revocations'; readonly file: Uint8Array }
  /** To `lookup-wanted` of the same id. */
  | { readonly type: 'lookup-answer'; readonly id: number; readonly result: LookupResult }
  /** In place of those of the configuration. */
  | { readonly type: 'log-levels'; readonly levels: LogLevels }
  /** `netns` stays open until `pod-stopped` or `pod-failed` is answered; the control thread owns it. */
  | { readonly type: 'pod-start'; readonly uid: string; readonly info: PodInfo; readonly netns: number }
  | { readonly type: 'pod-stop'; readonly uid: string }
  /** Listeners close; connections may go on for `deadlineMs`, then they are cut. Answered by `drained`. */
  | { readonly type: 'drain'; readonly deadlineMs: number }
  /** Answered by `report` with the same id: counters since the last one. */
  | { readonly type: 'report'; readonly id: number }
  /** Answered by `connections` with the same id. */
  | { readonly type: 'connections'; readonly id: number }
  /** Answered by `denials` with the same id. */
  | { readonly type: 'denials'; readonly id: number }
  /** Answered by `diagnosis` with the same id. */
  | { readonly type: 'diagnose'; readonly id: number; readonly wanted: DiagnosisWanted }
  /** Everything ends at once, and the thread with it. The last message. */
  | { readonly type: 'end' };

export type FromDataThread =
  /** The first message. `reason`: why it is not the one that was asked for; `wakeDescriptor`: see `SynchronousEngine`. */
  | {
      readonly type: 'engine';
      readonly engine: EngineName;
      readonly reason: string;
      readonly wakeDescriptor: number | undefined;
    }
  /** `transparent`: the application sees its clients' own addresses. */
  | { readonly type: 'pod-started'; readonly uid: string; readonly transparent: boolean }
  /** `message` in the form of spec zds.md §6.2 (`Bind([::]:15008, Os { … })`). */
  | { readonly type: 'pod-failed'; readonly uid: string; readonly message: string }
  | { readonly type: 'pod-stopped'; readonly uid: string }
  /** The answer to a `batch-part` or a `batch`, which is in force then: the next one may come. */
  | { readonly type: 'batch-taken' }
  /** A connection needs this certificate now. Asked once until answered by `certificate` or `certificate-unavailable`. */
  | { readonly type: 'certificate-wanted'; readonly identity: string }
  /** A connection of the pod `uid` waits for the address of a name. Answered by `lookup-answer`, or never if the pod is gone. */
  | {
      readonly type: 'lookup-wanted';
      readonly id: number;
      readonly uid: string;
      readonly name: string;
      readonly family: 4 | 6;
    }
  /** Finished log lines, each ending in a newline. */
  | { readonly type: 'log'; readonly text: string }
  /** During a drain: the last connection of this kind has ended; `forced`: the deadline ended it. Before `drained`. */
  | {
      readonly type: 'component-drained';
      readonly uid: string;
      readonly component: ProxyComponent;
      readonly forced: boolean;
    }
  | { readonly type: 'connections'; readonly id: number; readonly pods: ReadonlyMap<string, PodConnections> }
  /** Those of this thread that are remembered, latest first. Nothing is forgotten by asking. */
  | { readonly type: 'denials'; readonly id: number; readonly denials: readonly Denial[] }
  | { readonly type: 'diagnosis'; readonly id: number; readonly diagnosis: Diagnosis }
  /** `cut`: connections that the deadline ended. */
  | { readonly type: 'drained'; readonly cut: number }
  | {
      readonly type: 'report';
      readonly id: number;
      readonly counters: readonly CounterDelta[];
      readonly openSockets: OpenSockets;
      /** Handshakes that a revoked certificate ended. */
      readonly revocations: RevocationCounts;
      /** Listeners that do not accept for want of something, and how often they stopped since the last report. */
      readonly accepting: AcceptingReport;
      /** Absent with an engine that runs on Node's event loop. */
      readonly engine?: EngineReport;
    };

/** The kinds of connections of a pod's proxy, as the log names them. */
export type ProxyComponent = 'inbound' | 'inbound passthrough' | 'outbound';

/** One open connection in the dump (spec ztunnel.md §13); addresses are `ip:port`. */
export interface OpenConnection {
  readonly src: string;
  readonly originalDst: string | null;
  readonly actualDst: string;
  readonly protocol: 'HBONE' | 'TCP';
}

/**
 * Connections that policies denied, or would have. Equal ones are one: same kind, pod, principal, addresses, port and
 * reason; the client's port does not count.
 */
export interface Denial {
  /** `refused` when it came; `cut` while it ran, by a change of policies; `shadow`: it passes, only dry-run policies deny. */
  readonly kind: 'refused' | 'cut' | 'shadow';
  /** The pod it went to. */
  readonly pod: PodInfo;
  readonly connection: Connection;
  /** Of the verdict, or for `shadow` of the shadow verdict: `explicitly denied by: ns/name`. */
  readonly reason: string;
  readonly count: number;
  /** Milliseconds since 1970 of the first and the last of them. */
  readonly firstEpochMs: number;
  readonly lastEpochMs: number;
  /** Of one of them, by the policies of that time; undefined if so many others were denied that it would have cost too much. */
  readonly explanation: Explanation | undefined;
  /** Of what time, in milliseconds since 1970. */
  readonly explainedEpochMs: number | undefined;
  /** Why there is no explanation, where that is something else: too many rules govern the pod. */
  readonly unexplained: string | undefined;
}

/** The open connections of a pod. */
export interface PodConnections {
  readonly inbound: readonly OpenConnection[];
  readonly outbound: readonly OpenConnection[];
}

/** Accepted sockets being served, by reporter (gauge). */
export interface OpenSockets {
  readonly source: number;
  readonly destination: number;
}

/** What is exhausted where accepting pauses. */
export type Scarcity = 'descriptors' | 'memory';

/** Of a data thread, by what is exhausted. */
export type AcceptingReport = Readonly<Record<Scarcity, { readonly paused: number; readonly pauses: number }>>;

/** Handshakes that a revoked certificate ended since the last report, by reporter. */
export interface RevocationCounts {
  readonly source: number;
  readonly destination: number;
}

/** Growth of the TCP counters of one label set; `labels` in the order of spec ztunnel.md §10, response_flags included. */
export interface CounterDelta {
  readonly labels: readonly (readonly [name: string, value: string])[];
  readonly opened: number;
  readonly closed: number;
  readonly failed: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}
