import type { Duplex } from 'node:stream';
import type { TunnelDuplex } from './tunnel-duplex.ts';
import { type OpenTunnelOptions, type TunnelClientOptions, TunnelOpener } from './tunnel-opener.ts';

export interface DialTunnelOptions
  extends Omit<TunnelClientOptions, 'maxStreamsPerConnection' | 'unusedReleaseMs'>,
    OpenTunnelOptions {
  /** Where the tunnel leads: `ip:port`, `[ipv6]:port` or `name:port`. */
  readonly authority: string;
  /** A tunnel inside of a tunnel: TLS inside of this stream instead of on a connection of its own. Ends with it. */
  readonly through?: Duplex;
}

/**
 * Opens one tunnel on a connection of its own, which closes with it. Throws what `TunnelClient` and its `open` do; who
 * opens many uses that.
 */
export async function dialTunnel(options: DialTunnelOptions): Promise<TunnelDuplex> {
  const opener = new TunnelOpener({ ...options, maxStreamsPerConnection: 1 });
  return opener.open(options.authority, options, options.through);
}
