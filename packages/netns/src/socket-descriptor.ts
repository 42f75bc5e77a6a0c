import type { Server, Socket } from 'node:net';
import { NetnsError } from './errors.ts';
import { AF_INET, AF_INET6, SOCK_CLOEXEC, SOCK_NONBLOCK } from './kernel-constants.ts';
import type { Namespace } from './namespace.ts';
import { checked, native } from './native.ts';

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

/**
 * A new socket of the internet in `namespace`, non-blocking and closed on exec; the caller owns it. `kind` is `SOCK_STREAM` or `SOCK_DGRAM`.
 * @throws {NetnsError} as `Namespace.run` does; `NETNS_INVALID_ARGUMENT` for another family; `NETNS_SYSTEM_CALL` (EAFNOSUPPORT: no IPv6; EMFILE).
 */
export function makeSocket(namespace: Namespace, family: 4 | 6, kind: number): number {
  const [fd] = makeSockets(namespace, { family, kind, count: 1 });
  return fd;
}

/** Sockets to make in one visit. */
export interface SocketBatch {
  readonly family: 4 | 6;
  /** `SOCK_STREAM` or `SOCK_DGRAM`. */
  readonly kind: number;
  /** At least 1. */
  readonly count: number;
}

/** As `makeSocket`, `count` of them in one visit; fewer, but at least one, when descriptors run out. */
export function makeSockets(namespace: Namespace, { family, kind, count }: SocketBatch): [number, ...number[]] {
  const about = { operation: 'socket', subject: `of IPv${family}`, namespaceId: namespace.id.inode };
  if (family !== 4 && family !== 6)
    throw new NetnsError('NETNS_INVALID_ARGUMENT', `family ${String(family)}: want 4 or 6`);
  const domain = family === 4 ? AF_INET : AF_INET6;
  const type = kind | SOCK_NONBLOCK | SOCK_CLOEXEC;
  return namespace.run(() => {
    const c = native();
    const made: [number, ...number[]] = [checked(c.socket(domain, type, 0), about)];
    while (made.length < count) {
      const fd = c.socket(domain, type, 0);
      if (fd < 0) break;
      made.push(fd);
    }
    return made;
  });
}
