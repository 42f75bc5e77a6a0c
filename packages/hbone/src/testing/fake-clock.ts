import type { Cancellable, Engine } from '../engine.ts';
import type { NodeEngine } from '../node-engine/engine.ts';
import { createTestEngine } from './test-engine.ts';

/** The engine under test, but its timers run only when a test moves its clock; those of 0 ms wait for a turn, as ever. */
export interface FakeClockEngine extends NodeEngine {
  /** Moves the clock and calls what is due, in order. */
  advance(ms: number): void;
  /** Timers that are waiting. */
  readonly timerCount: number;
}

export function createFakeClockEngine(): FakeClockEngine {
  return new FakeClock(createTestEngine());
}

class FakeClock implements FakeClockEngine {
  readonly listen: Engine['listen'];
  readonly connect: Engine['connect'];
  readonly credentials: Engine['credentials'];
  readonly secureServer: Engine['secureServer'];
  readonly secureClient: Engine['secureClient'];
  readonly atEndOfTurn: Engine['atEndOfTurn'];
  readonly adopt: NodeEngine['adopt'];
  readonly #timers = new Set<{ readonly dueMs: number; readonly callback: () => void }>();
  readonly #soon: (callback: () => void) => Cancellable;
  #nowMs = 0;

  constructor(engine: NodeEngine) {
    this.#soon = (callback) => engine.after(0, callback);
    this.listen = engine.listen.bind(engine);
    this.connect = engine.connect.bind(engine);
    this.credentials = engine.credentials.bind(engine);
    this.secureServer = engine.secureServer.bind(engine);
    this.secureClient = engine.secureClient.bind(engine);
    this.atEndOfTurn = engine.atEndOfTurn.bind(engine);
    this.adopt = engine.adopt.bind(engine);
  }

  get timerCount(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#nowMs;
  }

  after(ms: number, callback: () => void): Cancellable {
    if (ms === 0) return this.#soon(callback);
    const timer = { dueMs: this.#nowMs + ms, callback };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  advance(ms: number): void {
    const end = this.#nowMs + ms;
    for (;;) {
      let next: { readonly dueMs: number; readonly callback: () => void } | undefined;
      for (const timer of this.#timers)
        if (timer.dueMs <= end && (next === undefined || timer.dueMs < next.dueMs)) next = timer;
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#nowMs = next.dueMs;
      next.callback();
    }
    this.#nowMs = end;
  }
}
