import type { Server, Socket } from 'node:net';

/**
 * The descriptor behind an open socket or server of `node:net`, which keeps owning it: for options and
 * `originalDestination`, never for closing. Undefined once it is closed or where the platform has none.
 */
export function descriptorOf(socket: Socket | Server): number | undefined {
  // Node has no public name for it; every version this package supports has this one.
  const handle: unknown = Reflect.get(socket, '_handle');
  if (typeof handle !== 'object' || handle === null) return undefined;
  const fd: unknown = Reflect.get(handle, 'fd');
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}
