import type { DataPlaneConfig, LogLevels } from '../data-plane/protocol.ts';
import type { LogFilter } from '../log/log-filter.ts';
import type { ZtunnelConfig } from './config/config.ts';

const ports = { outbound: 15_001, inboundPlaintext: 15_006, inboundHbone: 15_008 };
const socks5Port = 15_080;

/** The most that Linux takes for TCP_KEEPIDLE and TCP_KEEPINTVL, and for TCP_KEEPCNT (include/net/tcp.h). */
const maxKeepAliveSeconds = 32_767;
const maxKeepAliveCount = 127;
/** The most of TCP_USER_TIMEOUT, of an HTTP/2 window (RFC 9113 §6.9.1) and of a timer of Node. */
const maxSigned32 = 0x7fff_ffff;
/** The window of a new connection (RFC 9113 §6.9.2) only grows. */
const leastConnectionWindow = 65_535;
/** Limits of SETTINGS_MAX_FRAME_SIZE (RFC 9113 §6.5.2). */
const leastMaxFrame = 16_384;
/** Kept for the process's own servers and clients; as many again for what running connections open. */
const mostSparedDescriptors = 64;
const mostMaxFrame = 16_777_215;

/**
 * What the data threads need of the configuration, in a process that may have `maxDescriptors` open; number and count of the
 * thread are added at their start. Numbers beyond
 * what the kernel or HTTP/2 takes become the nearest that they do: otherwise each connection would fail for them.
 */
export function dataPlaneConfig(
  config: ZtunnelConfig,
  maxDescriptors: number,
): Omit<DataPlaneConfig, 'thread' | 'threads'> {
  const { keepAlive } = config;
  const idleMs = keepAlive.timeMs + keepAlive.retries * keepAlive.intervalMs;
  return {
    descriptorLimits: descriptorLimits(maxDescriptors),
    unsentBytes: config.unsentBytes,
    tlsRecords: config.tlsRecords,
    network: config.network,
    clusterId: config.clusterId,
    packetMark: config.packetMark,
    portReuse: config.portReuse,
    ipv6: config.ipv6,
    originalSource: config.originalSource,
    ports,
    keepAlive: keepAlive.enabled
      ? {
          idleSeconds: wholeSeconds(keepAlive.timeMs),
          intervalSeconds: wholeSeconds(keepAlive.intervalMs),
          count: within(1, keepAlive.retries, maxKeepAliveCount),
        }
      : false,
    userTimeoutMs: config.userTimeoutEnabled ? Math.min(idleMs, maxSigned32) : undefined,
    poolMaxStreams: Math.max(1, config.poolMaxStreams),
    // Node runs a timer for longer at once.
    poolIdleMs: Math.min(config.poolIdleMs, maxSigned32),
    streamWindow: within(1, config.streamWindow, maxSigned32),
    connectionWindow: within(leastConnectionWindow, config.connectionWindow, maxSigned32),
    maxFrame: within(leastMaxFrame, config.maxFrame, mostMaxFrame),
    responseBaggage: config.responseBaggage,
    lookups: config.dnsProxy,
    socks5Port: config.socks5 ? socks5Port : undefined,
    logFormat: config.logFormat,
    ...logLevels(config, config.logFilter),
    unknownPolicy: config.unknownPolicy,
  };
}

/** Which lines of data threads `filter` lets through. */
export function logLevels({ policyInfoLogging }: ZtunnelConfig, filter: LogFilter): LogLevels {
  const policyLevel = policyInfoLogging ? 'info' : 'debug';
  return {
    accessLog: { info: filter.isEnabled('access', 'info'), debug: filter.isEnabled('access', 'debug') },
    policyLog: filter.isEnabled('state', policyLevel) ? policyLevel : 'off',
    policyCutLog: filter.isEnabled('proxy::connection_manager', 'info'),
  };
}

/** The process's own part is more than its servers ever use (`processListener` has 256 clients each, mostly none). */
function descriptorLimits(max: number): DataPlaneConfig['descriptorLimits'] {
  const share = Math.min(mostSparedDescriptors, Math.floor(max / 8));
  return { accepted: max - 2 * share, dialled: max - share };
}

/** The kernel counts keep-alive in seconds, from 1 on. */
function wholeSeconds(ms: number): number {
  return within(1, Math.round(ms / 1000), maxKeepAliveSeconds);
}

function within(least: number, value: number, most: number): number {
  return Math.min(Math.max(least, value), most);
}
