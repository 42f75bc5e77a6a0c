import { illegalPorts, type ZtunnelConfig } from './config.ts';

/** A value of an enumeration with data (`!Localhost [true, 15000]` in YAML, `{"Localhost": [true, 15000]}` in JSON). */
export class Tagged {
  readonly tag: string;
  readonly value: Described;

  constructor(tag: string, value: Described) {
    this.tag = tag;
    this.value = value;
  }

  toJSON(): unknown {
    return { [this.tag]: this.value };
  }
}

/** A configuration as it is shown. */
export type Described =
  | string
  | number
  | boolean
  | null
  | Tagged
  | readonly Described[]
  | { readonly [key: string]: Described };

const anyAddress = (ipv6: boolean, port: number): string => `${ipv6 ? '[::]' : '0.0.0.0'}:${port}`;
const nanosPerMs = 1_000_000;
const duration = (ms: number): Described => ({ secs: Math.floor(ms / 1000), nanos: (ms % 1000) * nanosPerMs });

/**
 * The configuration with the names and the order that operators and their tools know; no secrets. Parts that this version
 * has no use for show the values that it acts by (`xdsAddress: null`).
 */
export function describeConfig(config: ZtunnelConfig, args: readonly string[]): { readonly [key: string]: Described } {
  return {
    proxy: true,
    dnsProxy: config.dnsProxy,
    windowSize: config.streamWindow,
    connectionWindowSize: config.connectionWindow,
    frameSize: config.maxFrame,
    poolMaxStreamsPerConn: config.poolMaxStreams,
    poolUnusedReleaseTimeout: duration(config.poolIdleMs),
    socks5Addr: config.socks5 ? new Tagged('Localhost', [false, 15_080]) : null,
    adminAddr: new Tagged('Localhost', [true, config.ports.admin]),
    statsAddr: new Tagged('SocketAddr', anyAddress(config.ipv6, config.ports.stats)),
    readinessAddr: new Tagged('SocketAddr', anyAddress(config.ipv6, config.ports.readiness)),
    inboundAddr: anyAddress(config.ipv6, 15_008),
    inboundPlaintextAddr: anyAddress(config.ipv6, 15_006),
    outboundAddr: anyAddress(config.ipv6, 15_001),
    dnsProxyAddr: new Tagged('Localhost', [true, 15_053]),
    illegalPorts: illegalPorts(config),
    network: config.network,
    localNode: config.nodeName ?? null,
    proxyMode: 'Shared',
    proxyWorkloadInformation: null,
    clusterId: config.clusterId,
    clusterDomain: config.clusterDomain,
    caAddress: config.ca.address,
    caRootCert: config.ca.rootCert.kind === 'file' ? new Tagged('File', config.ca.rootCert.path) : 'Static',
    altCaHostname: config.ca.alternativeHostname ?? null,
    xdsAddress: null,
    xdsRootCert: 'Static',
    altXdsHostname: null,
    preferedServiceNamespace: config.preferredNamespace ?? null,
    secretTtl: duration(config.secretTtlSeconds * 1000),
    xdsOnDemand: false,
    fakeCa: false,
    fakeSelfInbound: false,
    selfTerminationDeadline: duration(config.drainDeadlineMs),
    proxyMetadata: Object.fromEntries(config.proxyMetadata),
    numWorkerThreads: config.threads.configured,
    requireOriginalSource: config.originalSource === 'try' ? null : config.originalSource === 'require',
    proxyArgs: args.join(' '),
    ...describeResolver(config),
    inpodUds: config.inpodUds,
    inpodPortReuse: config.portReuse,
    packetMark: config.packetMark,
    socketConfig: {
      keepaliveTime: duration(config.keepAlive.timeMs),
      keepaliveInterval: duration(config.keepAlive.intervalMs),
      keepaliveRetries: config.keepAlive.retries,
      keepaliveEnabled: config.keepAlive.enabled,
      userTimeoutEnabled: config.userTimeoutEnabled,
    },
    xdsHeaders: [],
    caHeaders: config.ca.headers.map(([name]) => name),
    localhostAppTunnel: config.localhostAppTunnel,
    ztunnelIdentity: null,
    ztunnelWorkload: null,
    ipv6Enabled: config.ipv6,
    crlPath: config.crlPath ?? null,
    enableEnhancedBaggage: config.responseBaggage,
  };
}

const transport = (type: 'udp' | 'tcp'): Described => ({ port: 53, protocol: { type }, bind_addr: null });

function describeResolver({ resolver }: ZtunnelConfig): { readonly [key: string]: Described } {
  return {
    dnsResolverCfg: {
      domain: resolver.domain ?? null,
      search: resolver.search,
      name_servers: resolver.nameServers.map((ip) => ({
        ip,
        trust_negative_responses: true,
        connections: [transport('udp'), transport('tcp')],
      })),
    },
    dnsResolverOpts: {
      ndots: resolver.ndots,
      timeout: resolver.timeoutSeconds,
      attempts: resolver.attempts,
      edns0: false,
      ip_strategy: 'Ipv4AndIpv6',
      cache_size: 4096,
      use_hosts_file: 'Auto',
      positive_min_ttl: null,
      negative_min_ttl: null,
      positive_max_ttl: null,
      negative_max_ttl: null,
      num_concurrent_reqs: 2,
      max_active_requests: 32,
      preserve_intermediates: true,
      try_tcp_on_error: false,
      server_ordering_strategy: 'QueryStatistics',
      recursion_desired: true,
      avoid_local_udp_ports: [],
      os_port_selection: false,
      case_randomization: false,
      trust_anchor: null,
      allow_answers: [],
      deny_answers: [],
      edns_payload_len: 1232,
    },
  };
}
