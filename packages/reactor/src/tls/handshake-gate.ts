import type { ConnectionFailure } from '@ambientmesh/hbone';
import type { TlsRole } from '@ambientmesh/hbone/engine';

/** Bounds for handshakes of one thread: what they cost at once, and what in a turn. */
export interface HandshakeLimits {
  /**
   * Handshakes in progress of each role, those that were refused and wait for the peer's end among them. For one more the
   * oldest whose peer is awaited is given up; if there is none, it is refused. Default 1000.
   */
  readonly maxHandshakes?: number;
  /** Steps of handshakes in a turn, about 0.2 ms each; more wait for the next turn. Default 16. */
  readonly handshakeStepsPerTurn?: number;
}

/** A handshake in progress. */
export interface Handshaking {
  readonly role: TlsRole;
  /** Whether the next move is the peer's. */
  readonly awaitsPeer: boolean;
  /** Ends: another needs its place, which is taken already. Nobody is called back from inside of it. */
  giveWay(): void;
}

const MAX_HANDSHAKES = 1000;
const STEPS_PER_TURN = 16;

/**
 * Bounds handshakes. Peers that begin and say nothing keep nobody out: in the mesh a peer answers within milliseconds, so
 * whoever has been awaited the longest is the last to be missed. And they are strangers' while dialling is ours: each role
 * has its own places.
 */
export class HandshakeGate {
  /** What is said to those that have no place, or no more. */
  readonly refusal: ConnectionFailure;
  readonly #most: number;
  readonly #stepsPerTurn: number;
  readonly #now: () => number;
  /** In the order of their beginning. */
  readonly #inProgress: Readonly<Record<TlsRole, Set<Handshaking>>> = { client: new Set(), server: new Set() };
  #turn = -1;
  #steps = 0;

  /** `now` says another time in each turn. */
  constructor(limits: HandshakeLimits, now: () => number) {
    this.#most = limits.maxHandshakes ?? MAX_HANDSHAKES;
    this.refusal = { code: 'TLS', message: `more than ${this.#most} handshakes at once` };
    this.#stepsPerTurn = limits.handshakeStepsPerTurn ?? STEPS_PER_TURN;
    this.#now = now;
  }

  get inProgress(): number {
    return this.#inProgress.client.size + this.#inProgress.server.size;
  }

  /** Whether `one` may begin; it calls `end` then, however it ends. */
  begin(one: Handshaking): boolean {
    const others = this.#inProgress[one.role];
    if (others.size >= this.#most && !giveUpOldest(others)) return false;
    others.add(one);
    return true;
  }

  /** Idempotent. */
  end(one: Handshaking): void {
    this.#inProgress[one.role].delete(one);
  }

  /** Whether one more step may be made in this turn. */
  step(): boolean {
    const turn = this.#now();
    if (turn !== this.#turn) {
      this.#turn = turn;
      this.#steps = 0;
    }
    return this.#steps++ < this.#stepsPerTurn;
  }
}

function giveUpOldest(handshakes: Set<Handshaking>): boolean {
  for (const one of handshakes) {
    if (!one.awaitsPeer) continue;
    handshakes.delete(one);
    one.giveWay();
    return true;
  }
  return false;
}
