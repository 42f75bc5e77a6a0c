/** Longest wait of both back-offs. */
const MAX_MS = 15_000;
const CONNECT_FIRST_MS = 20;
/** Before the node has ever been ready; an agent that turns a hello away then is likely starting too. */
const ANNOUNCE_FIRST_MS = 500;
const ANNOUNCE_AFTER_READY_MS = 5;
const ANNOUNCE_JITTER = 0.2;

/** Waits between attempts to connect: 20 ms, 40 ms, … 15 s; one object per series of attempts. */
export class ConnectBackOff {
  #nextMs = CONNECT_FIRST_MS;

  /** How long to wait now, in milliseconds. */
  next(): number {
    const waitMs = this.#nextMs;
    this.#nextMs = Math.min(waitMs * 2, MAX_MS);
    return waitMs;
  }
}

/** Waits after a hello that could not be sent: doubling from 500 ms (5 ms once ready) to 15 s, each 20 % more or less. */
export class AnnounceBackOff {
  #nextMs = ANNOUNCE_FIRST_MS;

  /** How long to wait now, in milliseconds; `random` is in [0, 1). */
  next(random: number): number {
    const waitMs = this.#nextMs * (1 + ANNOUNCE_JITTER * (2 * random - 1));
    this.#nextMs = Math.min(this.#nextMs * 2, MAX_MS);
    return waitMs;
  }

  /** The node is ready: the next series starts small. */
  reset(): void {
    this.#nextMs = ANNOUNCE_AFTER_READY_MS;
  }
}
