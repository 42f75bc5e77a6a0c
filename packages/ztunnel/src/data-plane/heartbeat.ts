/** How often a thread beats at least while it is well; it may be longer in one turn. */
export const HEARTBEAT_MS = 100;

/** A count that a data thread raises while it is well, and that its control thread looks at. They share its memory. */
export type Heartbeat = Int32Array<SharedArrayBuffer>;

/** At 0: the thread has not begun. */
export function createHeartbeat(): Heartbeat {
  return new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
}

/** To be called once a turn: costs some nanoseconds. */
export function beat(heartbeat: Heartbeat): void {
  // Wraps around; 0 is passed over for its meaning.
  if (Atomics.add(heartbeat, 0, 1) === -1) Atomics.store(heartbeat, 0, 1);
}

/** Another number than before: the thread was well in between. 0: it has not begun. */
export function readHeartbeat(heartbeat: Heartbeat): number {
  return Atomics.load(heartbeat, 0);
}
