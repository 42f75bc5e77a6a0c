import type { DataPlaneConfig } from './protocol.ts';

/** The error of a connection that would come back to the proxy for ever. */
export const RECURSIVE_CALL = 'attempted recursive call to ourselves';

/** Ports that are the proxy's own in every pod: nothing is connected to them (spec ztunnel.md §2). */
export function isProxyPort(config: DataPlaneConfig, port: number): boolean {
  const { outbound, inboundPlaintext, inboundHbone } = config.ports;
  return port === outbound || port === inboundPlaintext || port === inboundHbone || port === config.socks5Port;
}
