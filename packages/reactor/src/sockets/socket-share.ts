import { CLOSE_LIMITS } from '@ambientmesh/hbone/engine';
import type { Reactor } from '../loop/reactor.ts';
import { IOVEC } from '../native/kernel-layout.ts';
import { SOCKET_ADDRESS_BYTES } from './socket-address.ts';

/** Pieces of one writev(2): 4 MiB of full slabs, more than any socket takes at once. */
export const MOST_VECTORS = 256;

/** What the sockets of one reactor share. */
export class SocketShare {
  /** Where the vectors of the write under way are: MOST_VECTORS. */
  readonly vectors: number;
  /** Where the address of the call under way is. */
  readonly address: number;
  /** Milliseconds in which the peer of a closed socket may take nothing of what is queued; then it is reset. */
  closeStalledMs = CLOSE_LIMITS.closeStalledMs;
  /** Descriptors from this number on are not for accepted connections. */
  descriptorLimit = Number.POSITIVE_INFINITY;

  constructor({ arena }: Reactor) {
    this.vectors = arena.reserve(MOST_VECTORS * IOVEC.size);
    this.address = arena.reserve(SOCKET_ADDRESS_BYTES);
  }
}

const shares = new WeakMap<Reactor, SocketShare>();

/** Made at the first call for a reactor. @throws {ReactorError} `REACTOR_MEMORY_EXHAUSTED` */
export function socketShare(reactor: Reactor): SocketShare {
  let share = shares.get(reactor);
  if (share === undefined) {
    share = new SocketShare(reactor);
    shares.set(reactor, share);
  }
  return share;
}
