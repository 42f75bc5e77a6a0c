import type { EngineName, TlsRecords } from '../../data-plane/choose-engine.ts';
import type { LogFilter } from '../../log/log-filter.ts';
import { parseLogFilter } from '../../log/log-filter.ts';
import { ZtunnelError } from '../errors.ts';
import { checkedUri, istiodAddress, parseCaConfig, parseHeaders } from './ca-config.ts';
import type { ServerPorts, ZtunnelConfig } from './config.ts';
import type { ConfigSystem } from './config-system.ts';
import { Environment, type Lookup } from './environment.ts';
import { type MeshConfig, metadataKey, parseMeshConfig } from './mesh-config.ts';
import { parseResolverConfig } from './resolver-config.ts';
import { parseWorkerThreads } from './worker-threads.ts';

const meshConfigPath = './etc/istio/config/mesh';
const resolverConfigPath = '/etc/resolv.conf';
const metadataPrefix = 'ISTIO_META_';

/** Defaults of the reference (spec ztunnel.md §2, §3.1). */
const defaultPorts: ServerPorts = { admin: 15_000, stats: 15_020, readiness: 15_021 };
const defaultMark = 1337;
const defaultKeepAliveMs = 180_000;
const defaultKeepAliveRetries = 9;
const defaultPoolStreams = 100;
const defaultPoolIdleMs = 300_000;
const defaultStreamWindow = 4_194_304;
const defaultConnectionWindow = 16_777_216;
const defaultMaxFrame = 1_048_576;
const defaultSecretTtlMs = 86_400_000;
const defaultDrainMs = 5000;
const defaultEngine: EngineName = 'reactor';
const defaultStuckThreadMs = 3000;
/** 16 tunnels whose applications read nothing of the windows that they were given. No page of it is resident before it is used. */
const defaultUnsentBytes = 268_435_456;
/** Below this one connection is a large part of it. */
const leastUnsentBytes = 1_048_576;
/** Threads are looked at once a second. */
const leastStuckThreadMs = 1000;
/** Node runs a timer of more than 2^31-1 ms at once; an hour of it is left for those who wait a little longer. */
const maxDrainMs = 0x7fff_ffff - 3_600_000;
const defaultInpodUds = '/var/run/ztunnel/ztunnel.sock';

/**
 * Turns the environment, the mesh config file and resolv.conf into a frozen configuration. Throws one ZtunnelError
 * (ZTUNNEL_CONFIG_INVALID, or ZTUNNEL_UNSUPPORTED if everything else is right) that lists every problem.
 */
export function parseConfig(lookup: Lookup, system: ConfigSystem): ZtunnelConfig {
  const environment = new Environment(lookup);
  const problems: string[] = [];
  const unsupported: string[] = [];
  const mesh = readMesh(environment, system, problems);
  const metadata = new Map(mesh.proxyMetadata);
  for (const name of system.environmentNames.filter((entry) => entry.startsWith(metadataPrefix)).toSorted())
    metadata.set(metadataKey(name), environment.text(name) ?? '');
  const dnsProxy = (metadata.get('DNS_CAPTURE') ?? 'true').toLowerCase() === 'true';
  checkMode(environment, { dnsProxy, problems, unsupported });
  checkDiscovery(environment, { mesh, system, problems, unsupported });
  const config: ZtunnelConfig = {
    ...parseIdentity(environment),
    ca: parseCaConfig(environment, system, problems),
    secretTtlSeconds: Math.floor(environment.durationMs('SECRET_TTL', defaultSecretTtlMs) / 1000),
    localXds: parseLocalXds(environment, problems),
    crlPath: environment.text('CRL_PATH') || undefined,
    ...parseSockets(environment),
    ...parseTunnels(environment),
    drainDeadlineMs: Math.min(parseDrainDeadline(environment), maxDrainMs),
    threads: parseWorkerThreads(environment, { cores: system.cores, concurrency: mesh.concurrency }),
    engine: parseEngine(environment),
    tlsRecords: parseTlsRecords(environment),
    unsentBytes: environment.integer('ZTUNNEL_UNSENT_BYTES', defaultUnsentBytes, leastUnsentBytes),
    stuckThreadMs: parseStuckThread(environment),
    dnsProxy,
    socks5: environment.boolean('UNSTABLE_ENABLE_SOCKS5', false),
    preferredNamespace: environment.text('PREFERED_SERVICE_NAMESPACE'),
    localhostAppTunnel: environment.boolean('LOCALHOST_APP_TUNNEL', true),
    responseBaggage: environment.boolean('ENABLE_RESPONSE_BAGGAGE', true),
    // The reference compares the text: anything else is off, and no error.
    policyInfoLogging: environment.text('AUTHZ_POLICY_INFO_LOGGING') === 'true',
    unknownPolicy: parseUnknownPolicy(environment),
    ports: { ...defaultPorts, ...portsOf(mesh) },
    proxyMetadata: metadata,
    resolver: parseResolverConfig(system.readFile(resolverConfigPath) ?? ''),
    logFilter: parseFilter(environment),
    logFormat: environment.text('LOG_FORMAT') === 'json' ? 'json' : 'plain',
  };
  fail('ZTUNNEL_CONFIG_INVALID', [...environment.problems, ...problems]);
  fail('ZTUNNEL_UNSUPPORTED', unsupported);
  return Object.freeze(config);
}

function fail(code: 'ZTUNNEL_CONFIG_INVALID' | 'ZTUNNEL_UNSUPPORTED', problems: readonly string[]): void {
  if (problems.length > 0) throw new ZtunnelError(code, problems.join('; '));
}

function readMesh(environment: Environment, system: ConfigSystem, problems: string[]): MeshConfig {
  const mesh = parseMeshConfig(system.readFile(meshConfigPath), environment.text('PROXY_CONFIG'));
  if (typeof mesh !== 'string') return mesh;
  problems.push(`error parsing proxy config: ${mesh}`);
  return {
    discoveryAddress: undefined,
    proxyAdminPort: undefined,
    statsPort: undefined,
    concurrency: undefined,
    proxyMetadata: new Map(),
  };
}

function portsOf(mesh: MeshConfig): Partial<ServerPorts> {
  return {
    ...(mesh.proxyAdminPort === undefined ? {} : { admin: mesh.proxyAdminPort }),
    ...(mesh.statsPort === undefined ? {} : { stats: mesh.statsPort }),
  };
}

function checkMode(
  environment: Environment,
  context: { readonly dnsProxy: boolean; readonly problems: string[]; readonly unsupported: string[] },
): void {
  const mode = environment.text('PROXY_MODE') ?? 'shared';
  if (mode === 'dedicated') {
    const workload = environment.text('PROXY_WORKLOAD_INFO');
    const parts = workload?.split('/');
    if (parts === undefined)
      context.problems.push('invalid configuration: PROXY_MODE=dedicated requires PROXY_WORKLOAD_INFO to be set');
    else if (parts.length !== 3)
      context.problems.push(
        `invalid configuration: PROXY_WORKLOAD_INFO must match the format 'namespace/name/service-account' (got [${parts.map((part) => JSON.stringify(part)).join(', ')}])`,
      );
    else context.unsupported.push('PROXY_MODE=dedicated is not supported by this version (use shared)');
  } else if (mode !== 'shared') environment.refuse('PROXY_MODE', 'PROXY_MODE must be one of dedicated, shared');
  if (environment.boolean('ENABLE_PROXY', true)) return;
  if (context.dnsProxy) context.unsupported.push('ENABLE_PROXY=false is not supported by this version');
  else context.problems.push('error parsing proxy config: ztunnel run without any servers enabled');
}

function checkDiscovery(
  environment: Environment,
  context: {
    readonly mesh: MeshConfig;
    readonly system: ConfigSystem;
    readonly problems: string[];
    readonly unsupported: string[];
  },
): void {
  const { problems, system, unsupported } = context;
  const address = environment.text('XDS_ADDRESS') ?? context.mesh.discoveryAddress ?? istiodAddress(environment);
  const uri = checkedUri(address, problems);
  parseHeaders('XDS_HEADER_', { environment, system, problems });
  if (environment.boolean('XDS_ON_DEMAND', false)) unsupported.push('XDS_ON_DEMAND is not supported by this version');
  if (environment.boolean('FAKE_CA', false)) unsupported.push('FAKE_CA is not supported by this version');
  if (uri !== '')
    unsupported.push(
      `discovery over xDS (${uri}) is not supported by this version: set XDS_ADDRESS="" and LOCAL_XDS_PATH to a local configuration`,
    );
}

function parseIdentity(
  environment: Environment,
): Pick<ZtunnelConfig, 'network' | 'nodeName' | 'clusterId' | 'clusterDomain' | 'trustDomain' | 'istioVersion'> {
  return {
    network: environment.text('NETWORK') ?? '',
    nodeName: environment.text('NODE_NAME'),
    clusterId: environment.text('ISTIO_META_CLUSTER_ID') ?? environment.text('CLUSTER_ID') ?? 'Kubernetes',
    clusterDomain: environment.text('CLUSTER_DOMAIN') ?? 'cluster.local',
    trustDomain: environment.text('TRUST_DOMAIN'),
    istioVersion: environment.text('ISTIO_META_ISTIO_VERSION') ?? 'unknown',
  };
}

function parseLocalXds(environment: Environment, problems: string[]): ZtunnelConfig['localXds'] {
  const path = environment.text('LOCAL_XDS_PATH');
  const inline = environment.text('LOCAL_XDS');
  if (path !== undefined && inline !== undefined)
    problems.push('invalid configuration: only one of LOCAL_XDS_PATH or LOCAL_XDS may be set');
  if (path !== undefined) return { kind: 'file', text: path };
  return inline === undefined ? undefined : { kind: 'inline', text: inline };
}

function parseSockets(
  environment: Environment,
): Pick<
  ZtunnelConfig,
  'inpodUds' | 'portReuse' | 'packetMark' | 'originalSource' | 'ipv6' | 'keepAlive' | 'userTimeoutEnabled'
> {
  const originalSource = environment.optionalBoolean('ENABLE_ORIG_SRC');
  return {
    inpodUds: environment.text('INPOD_UDS') ?? defaultInpodUds,
    portReuse: environment.boolean('INPOD_PORT_REUSE', true),
    // 0 would not be told from unmarked traffic: the proxy would capture its own connections.
    packetMark: environment.integer('PACKET_MARK', defaultMark, 1),
    originalSource: originalSource === undefined ? 'try' : originalSource ? 'require' : 'off',
    ipv6: environment.boolean('IPV6_ENABLED', true),
    keepAlive: {
      enabled: environment.boolean('KEEPALIVE_ENABLED', true),
      timeMs: environment.durationMs('KEEPALIVE_TIME', defaultKeepAliveMs),
      intervalMs: environment.durationMs('KEEPALIVE_INTERVAL', defaultKeepAliveMs),
      retries: environment.integer('KEEPALIVE_RETRIES', defaultKeepAliveRetries),
    },
    userTimeoutEnabled: environment.boolean('USER_TIMEOUT_ENABLED', false),
  };
}

function parseTunnels(
  environment: Environment,
): Pick<ZtunnelConfig, 'poolMaxStreams' | 'poolIdleMs' | 'streamWindow' | 'connectionWindow' | 'maxFrame'> {
  return {
    poolMaxStreams: environment.integer('POOL_MAX_STREAMS_PER_CONNECTION', defaultPoolStreams),
    poolIdleMs: environment.durationMs('POOL_UNUSED_RELEASE_TIMEOUT', defaultPoolIdleMs),
    streamWindow: environment.integer('HTTP2_STREAM_WINDOW_SIZE', defaultStreamWindow),
    connectionWindow: environment.integer('HTTP2_CONNECTION_WINDOW_SIZE', defaultConnectionWindow),
    maxFrame: environment.integer('HTTP2_FRAME_SIZE', defaultMaxFrame),
  };
}

/** A grace period leaves 5 s (of short ones 1 s) to cut what is left; the deadline is never below 1 s. */
function parseDrainDeadline(environment: Environment): number {
  const deadline = environment.optionalDurationMs('CONNECTION_TERMINATION_DEADLINE');
  if (deadline !== undefined) return deadline;
  if (environment.text('TERMINATION_GRACE_PERIOD_SECONDS') === undefined) return defaultDrainMs;
  const seconds = environment.integer('TERMINATION_GRACE_PERIOD_SECONDS', 0);
  return Math.max(1, seconds > 10 ? seconds - 5 : seconds - 1) * 1000;
}

function parseUnknownPolicy(environment: Environment): 'deny' | 'skip' {
  const value = environment.text('ZTUNNEL_UNKNOWN_POLICY') ?? 'deny';
  if (value === 'deny' || value === 'skip') return value;
  environment.refuse('ZTUNNEL_UNKNOWN_POLICY', 'ZTUNNEL_UNKNOWN_POLICY must be one of deny, skip');
  return 'deny';
}

function parseEngine(environment: Environment): EngineName {
  const engine = environment.text('ZTUNNEL_ENGINE') ?? defaultEngine;
  if (engine === 'reactor' || engine === 'node') return engine;
  environment.refuse('ZTUNNEL_ENGINE', 'ZTUNNEL_ENGINE must be one of reactor, node');
  return defaultEngine;
}

function parseTlsRecords(environment: Environment): TlsRecords {
  const records = environment.text('ZTUNNEL_TLS_RECORDS') ?? 'own';
  if (records === 'own' || records === 'openssl') return records;
  environment.refuse('ZTUNNEL_TLS_RECORDS', 'ZTUNNEL_TLS_RECORDS must be one of own, openssl');
  return 'own';
}

function parseStuckThread(environment: Environment): number {
  const ms = environment.durationMs('ZTUNNEL_STUCK_THREAD_TIMEOUT', defaultStuckThreadMs);
  if (ms >= leastStuckThreadMs) return ms;
  environment.refuse('ZTUNNEL_STUCK_THREAD_TIMEOUT', 'must be at least 1s');
  return defaultStuckThreadMs;
}

function parseFilter(environment: Environment): LogFilter {
  const filter = parseLogFilter(environment.text('RUST_LOG') ?? '');
  if (typeof filter !== 'string') return filter;
  environment.refuse('RUST_LOG', filter);
  return parseFilter(new Environment(() => undefined));
}
