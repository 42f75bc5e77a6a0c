import type { ConnectionFailure, SocketAddress } from '@ambientmesh/hbone';
import type { Handle } from '../native/open-ssl.ts';

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
  /** A BIO for an SSL object to read from, which frees it. Called once. */
  newReadBio(): Handle;
  /** Whether OpenSSL finds no more in that BIO than was put there; else it reads from a socket, as long as a peer sends. */
  readonly bounded: boolean;
  /** Puts more into that BIO; false: there is nothing now, and `readable` follows. */
  fill(): boolean;
  /** Whether `readable` is wanted. */
  watch(reading: boolean): void;
  /** Takes all that is on the wire. */
  drain(): void;
  /** FIN after what is queued. */
  end(): void;
  /** Reads what there is, and forgets it; true: the peer has ended. */
  drop(): boolean;
  close(): void;
  /** Cuts: RST. */
  reset(): void;
}

/** The owner of what has none. */
export const NO_OWNER: CarrierOwner = { readable: () => {}, sent: () => {}, lost: () => {} };
