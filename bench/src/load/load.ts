import type { LoadResult } from './protocol.ts';

/** One kind of load, from the first connection to the last. */
export interface Load {
  /** Opens what is needed; resolves when all of it carries data. Rejects if any of it does not. */
  start(): Promise<void>;
  /** Forgets what has been counted: here the measurement begins. */
  mark(): void;
  /** What was counted since `mark`. May wait shortly for answers that are due. */
  measure(): Promise<LoadResult>;
  /** Ends all connections. Idempotent. */
  stop(): void;
}
