import type { ConnectionFailure, SocketAddress } from '@ambientmesh/hbone';

/** Of `Carrier.fill`: the peer has ended its side. */
export const ENDED = -1;

/** Who is told about what TLS runs on. Never from inside a method of the carrier. */
export interface CarrierOwner {
  /** Bytes, the end or an error may wait. Comes again as long as they do, while `watch(true)` holds. */
  readable(): void;
  /** `queued` has shrunk. */
  sent(): void;
  /** It is gone. */
  lost(failure: ConnectionFailure): void;
}

/** What TLS runs on: a descriptor, or a `Plain` of another making. */
export interface Carrier {
  owner: CarrierOwner;
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  /** Bytes taken from the wire that have not left. */
  readonly queued: number;
  /**
   * Puts at most `most` bytes into the intake, which is empty, and answers how many; 0: there are none now, and `readable`
   * follows; `ENDED`.
   */
  fill(most: number): number | ConnectionFailure;
  /** As `fill`, into the arena: `[at, at + most)`. */
  read(at: number, most: number): number | ConnectionFailure;
  /** Whether `readable` is wanted. */
  watch(reading: boolean): void;
  /** Takes all that is on the wire. */
  drain(): void;
  /** FIN after what is queued. */
  end(): void;
  /** Reads what there is, and forgets it; true: the peer has ended. */
  drop(): boolean;
  /** Of what nothing is queued in. */
  close(): void;
  /** Drops what is queued here; the kernel sends what it has, and FIN, or RST if received bytes were left unread. */
  cut(): void;
  /** Drops what the kernel has, too: RST. */
  reset(): void;
}

/** The owner of what has none. */
export const NO_OWNER: CarrierOwner = { readable: () => {}, sent: () => {}, lost: () => {} };
