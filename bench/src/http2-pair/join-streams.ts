import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream';

/** Copies both ways until both have ended; a failure of one ends the other. */
export function joinStreams(one: Duplex, other: Duplex): void {
  // What went wrong is seen, and counted, at the ends of the connection.
  pipeline(one, other, () => undefined);
  pipeline(other, one, () => undefined);
}
