import type { Engine } from '@ambientmesh/hbone';
import type { EngineHoldings, TurnTimes } from './protocol.ts';

/** An engine with a loop of its own: nothing happens but in `turn`, which its owner calls again and again. */
export interface SynchronousEngine extends Engine {
  /** Waits `timeoutMs` at most for something to do, does it, and returns. 0: without waiting. */
  turn(timeoutMs: number): void;
  /** Write 8 octets (a 64-bit 1) to end a waiting `turn`: an eventfd(2). Closed by `close`. */
  readonly wakeDescriptor: number;
  readonly holdings: EngineHoldings;
  /** How long turns took since the last call, waiting excluded. */
  drainTurnTimes(): TurnTimes;
  /** Gives everything back; there is no turn after it. */
  close(): void;
}
