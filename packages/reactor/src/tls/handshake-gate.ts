/** Bounds for handshakes of one thread: what they cost at once, and what in a turn. */
export interface HandshakeLimits {
  /** Handshakes in progress, those that were refused and wait for the peer's end among them; more are refused. Default 1000. */
  readonly maxHandshakes?: number;
  /** Steps of handshakes in a turn, about 0.2 ms each; more wait for the next turn. Default 16. */
  readonly handshakeStepsPerTurn?: number;
}

const MAX_HANDSHAKES = 1000;
const STEPS_PER_TURN = 16;

/** Counts handshakes. */
export class HandshakeGate {
  readonly most: number;
  readonly #stepsPerTurn: number;
  readonly #now: () => number;
  #inProgress = 0;
  #turn = -1;
  #steps = 0;

  /** `now` says another time in each turn. */
  constructor(limits: HandshakeLimits, now: () => number) {
    this.most = limits.maxHandshakes ?? MAX_HANDSHAKES;
    this.#stepsPerTurn = limits.handshakeStepsPerTurn ?? STEPS_PER_TURN;
    this.#now = now;
  }

  get inProgress(): number {
    return this.#inProgress;
  }

  /** Whether one more may begin; who hears yes calls `end` once. */
  begin(): boolean {
    if (this.#inProgress >= this.most) return false;
    this.#inProgress++;
    return true;
  }

  end(): void {
    this.#inProgress--;
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
