import type { Plain, SocketAddress } from '@ambientmesh/hbone';
import { NetnsError, originalDestination } from '@ambientmesh/netns';

/**
 * Where a captured connection was going, or in words why nobody knows: it is to be refused then. The reference takes the
 * socket's own address for it (`orig_dst_addr_or_default`), which nobody asked for.
 */
export function capturedDestination(plain: Plain): SocketAddress | string {
  try {
    return originalDestination(plain.descriptor, plain.local);
  } catch (error) {
    if (error instanceof NetnsError) return `original destination is unknown: ${error.message}`;
    throw error;
  }
}
