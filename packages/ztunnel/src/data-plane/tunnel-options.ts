import type { TunnelOptions } from '@ambientmesh/hbone';
import type { DataPlaneConfig } from './protocol.ts';

/** Windows and frame size of tunnels, both ends alike (spec hbone.md §2). */
export function tunnelOptions(config: DataPlaneConfig): TunnelOptions {
  const { streamWindow, connectionWindow, maxFrame } = config;
  return {
    codec: { streamWindowBytes: streamWindow, connectionWindowBytes: connectionWindow, maxFrameBytes: maxFrame },
  };
}
