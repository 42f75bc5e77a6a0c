import type { EngineName, TlsRecords } from '../../data-plane/choose-engine.ts';
import type { LogFormat } from '../../log/line.ts';
import type { LogFilter } from '../../log/log-filter.ts';
import type { ResolverConfig } from './resolver-config.ts';
import type { WorkerThreads } from './worker-threads.ts';

/** Where a trust anchor or a token comes from. */
export type SecretSource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'system' };

/** How to reach the certificate authority. */
export interface CaConfig {
  /** `https://host:port`. */
  readonly address: string;
  readonly rootCert: SecretSource;
  /** Second DNS name that the server's certificate may have. */
  readonly alternativeHostname: string | undefined;
  readonly authToken: Exclude<SecretSource, { readonly kind: 'system' }> | undefined;
  /** Additional gRPC metadata. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** Ports of the process's own servers. */
export interface ServerPorts {
  readonly admin: number;
  readonly stats: number;
  readonly readiness: number;
}

/** Everything the proxy reads from its environment, checked; frozen. */
export interface ZtunnelConfig {
  readonly network: string;
  /** Own node; undefined: every workload counts as local and none is prefetched for. */
  readonly nodeName: string | undefined;
  readonly clusterId: string;
  readonly clusterDomain: string;
  readonly trustDomain: string | undefined;
  readonly ca: CaConfig;
  readonly secretTtlSeconds: number;
  readonly localXds: { readonly kind: 'file' | 'inline'; readonly text: string } | undefined;
  /** File of revocation lists. */
  readonly crlPath: string | undefined;
  readonly inpodUds: string;
  readonly portReuse: boolean;
  readonly packetMark: number;
  readonly originalSource: 'try' | 'require' | 'off';
  readonly ipv6: boolean;
  readonly keepAlive: {
    readonly enabled: boolean;
    readonly timeMs: number;
    readonly intervalMs: number;
    readonly retries: number;
  };
  readonly userTimeoutEnabled: boolean;
  readonly poolMaxStreams: number;
  readonly poolIdleMs: number;
  readonly streamWindow: number;
  readonly connectionWindow: number;
  readonly maxFrame: number;
  /** How long connections may go on when the process ends. */
  readonly drainDeadlineMs: number;
  readonly threads: WorkerThreads;
  /** The one to be used where it works. */
  readonly engine: EngineName;
  /** Of the reactor. */
  readonly tlsRecords: TlsRecords;
  /** Bytes that peers have not taken which a data thread keeps; where the engine has a limit. */
  readonly unsentBytes: number;
  /** Silence after which a data thread counts as stuck. */
  readonly stuckThreadMs: number;
  readonly dnsProxy: boolean;
  readonly socks5: boolean;
  /** Tie-break among services of one name in DNS answers. */
  readonly preferredNamespace: string | undefined;
  readonly localhostAppTunnel: boolean;
  readonly responseBaggage: boolean;
  /** Whether lines about single policies are printed at INFO rather than at DEBUG. */
  readonly policyInfoLogging: boolean;
  /** What a policy does that a workload names and discovery has not told of: `skip` is what the reference does. */
  readonly unknownPolicy: 'deny' | 'skip';
  readonly ports: ServerPorts;
  readonly proxyMetadata: ReadonlyMap<string, string>;
  readonly resolver: ResolverConfig;
  readonly istioVersion: string;
  readonly logFilter: LogFilter;
  readonly logFormat: LogFormat;
}

/** Ports in a pod that nothing may be tunnelled to. */
export function illegalPorts(config: Pick<ZtunnelConfig, 'socks5'>): readonly number[] {
  return config.socks5 ? [15_001, 15_006, 15_008, 15_080] : [15_001, 15_006, 15_008];
}
