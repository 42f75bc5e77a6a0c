import type { DataPlaneConfig } from '../data-plane/protocol.ts';
import type { ZtunnelConfig } from './config/config.ts';

const ports = { outbound: 15_001, inboundPlaintext: 15_006, inboundHbone: 15_008 };
const dnsPort = 15_053;
const socks5Port = 15_080;

/** What the data threads need of the configuration; number and count of the thread are added at their start. */
export function dataPlaneConfig(config: ZtunnelConfig): Omit<DataPlaneConfig, 'thread' | 'threads'> {
  const { keepAlive, preferredNamespace } = config;
  const idleMs = keepAlive.timeMs + keepAlive.retries * keepAlive.intervalMs;
  return {
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
          count: Math.max(1, keepAlive.retries),
        }
      : false,
    userTimeoutMs: config.userTimeoutEnabled ? idleMs : undefined,
    poolMaxStreams: config.poolMaxStreams,
    poolIdleMs: config.poolIdleMs,
    streamWindow: config.streamWindow,
    connectionWindow: config.connectionWindow,
    maxFrame: config.maxFrame,
    responseBaggage: config.responseBaggage,
    dns: config.dnsProxy ? { port: dnsPort, clusterDomain: config.clusterDomain, preferredNamespace } : undefined,
    socks5Port: config.socks5 ? socks5Port : undefined,
    logFormat: config.logFormat,
    accessLog: {
      info: config.logFilter.isEnabled('access', 'info'),
      debug: config.logFilter.isEnabled('access', 'debug'),
    },
    dnsLog: config.logFilter.isEnabled('dns', 'debug'),
  };
}

/** The kernel counts keep-alive in seconds, from 1 on. */
function wholeSeconds(ms: number): number {
  return Math.max(1, Math.round(ms / 1000));
}
