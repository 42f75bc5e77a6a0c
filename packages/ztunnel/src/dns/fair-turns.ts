/** Milliseconds of each turn of the event loop that DNS gets; the rest is for whoever else lives on the thread. */
export const TURN_SHARE_MS = 5;

/** What `FairTurns` needs of its surroundings; tests bring their own. */
export interface TurnClock {
  /** Monotonic milliseconds. */
  now(): number;
  /** Calls once in the next turn of the loop. */
  nextTurn(callback: () => void): void;
}

const EVENT_LOOP: TurnClock = {
  now: () => performance.now(),
  nextTurn: (callback) => void setImmediate(callback),
};

/**
 * Work of many owners on one event loop: done at once while this turn's share lasts, after that one piece of each owner in
 * turn. So a flood for one pod holds up neither the other pods nor the rest of the thread. What waits is not bounded here.
 */
export class FairTurns {
  readonly #clock: TurnClock;
  /** The next one's first. */
  readonly #waiting = new Map<object, (() => void)[]>();
  #spentMs = 0;
  #planned = false;

  constructor(clock: TurnClock = EVENT_LOOP) {
    this.#clock = clock;
  }

  /** Pieces of this owner that have not had their turn yet. */
  waitingOf(owner: object): number {
    return this.#waiting.get(owner)?.length ?? 0;
  }

  /** Does `piece` now, or when its turn comes; the pieces of one owner keep their order. */
  run(owner: object, piece: () => void): void {
    this.#plan();
    if (this.#waiting.size === 0 && this.#spentMs < TURN_SHARE_MS) return this.#do(piece);
    const pieces = this.#waiting.get(owner);
    if (pieces === undefined) this.#waiting.set(owner, [piece]);
    else pieces.push(piece);
  }

  /** Drops what waits of this owner. */
  forget(owner: object): void {
    this.#waiting.delete(owner);
  }

  #plan(): void {
    if (this.#planned) return;
    this.#planned = true;
    this.#clock.nextTurn(() => this.#turn());
  }

  #turn(): void {
    this.#planned = false;
    this.#spentMs = 0;
    for (const [owner, pieces] of this.#waiting) {
      if (this.#spentMs >= TURN_SHARE_MS) break;
      // To the end of the line, unless that was its last.
      this.#waiting.delete(owner);
      const piece = pieces.shift();
      if (pieces.length > 0) this.#waiting.set(owner, pieces);
      if (piece !== undefined) this.#do(piece);
    }
    if (this.#waiting.size > 0) this.#plan();
  }

  #do(piece: () => void): void {
    const startMs = this.#clock.now();
    try {
      piece();
    } finally {
      this.#spentMs += this.#clock.now() - startMs;
    }
  }
}
