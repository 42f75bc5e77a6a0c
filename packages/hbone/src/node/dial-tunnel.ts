import type { Duplex } from 'node:stream';
import type { TunnelDuplex } from './tunnel-duplex.ts';
import { type OpenTunnelOptions, type TunnelClientOptions, TunnelOpener } from './tunnel-opener.ts';

export interface DialTunnelOptions
  extends Omit<TunnelClientOptions, 'maxStreamsPerConnection' | 'unusedReleaseMs' | 'maxWaiting'>,
    OpenTunnelOptions {
  /** Where the tunnel leads: `ip:port`, `[ipv6]:port` or `name:port`. */
  readonly authority: string;
  /**
   * A tunnel inside of a tunnel: TLS inside of this stream instead of on a connection of its own. It is owned from now on:
   * destroyed when the tunnel ends or cannot be opened.
   */
  readonly through?: Duplex | undefined;
}

/**
 * Opens one tunnel on a connection of its own, which closes with it. Throws what `TunnelClient` and its `open` do; who
 * opens many uses that.
 */
export async function dialTunnel(options: DialTunnelOptions): Promise<TunnelDuplex> {
  const { authority, through } = options;
  try {
    const opener = new TunnelOpener({ ...options, maxStreamsPerConnection: 1 });
    return await opener.open(authority, options, through);
  } catch (error) {
    through?.destroy();
    throw error;
  }
}
