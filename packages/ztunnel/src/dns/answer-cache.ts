import type { ForwardOutcome } from './forward-outcome.ts';

/** Entries of one pod's cache. */
export const MAX_CACHE_ENTRIES = 1024;
/** Bytes of records that one pod's cache holds. */
export const MAX_CACHE_BYTES = 1_048_576;
/** Nothing is kept longer, whatever its TTL says. */
export const MAX_CACHE_SECONDS = 86_400;

interface Entry {
  readonly outcome: ForwardOutcome;
  readonly storedAtMs: number;
  readonly expiresAtMs: number;
  readonly bytes: number;
}

/** Answers of name servers until their time is up, at most so many and so large; the least recently used give way. */
export class AnswerCache {
  readonly #entries = new Map<string, Entry>();
  readonly #now: () => number;
  #bytes = 0;

  /** `now`: monotonic milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** What is held for `key`, its age in it; undefined if there is nothing, or nothing any more. */
  get(key: string): ForwardOutcome | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const now = this.#now();
    this.#remove(key, entry);
    if (now >= entry.expiresAtMs) return undefined;
    this.#insert(key, entry);
    return { ...entry.outcome, ageSeconds: Math.floor((now - entry.storedAtMs) / 1000) };
  }

  /** Holds `outcome` for `ttlSeconds`; 0 or less: not at all. */
  put(key: string, outcome: ForwardOutcome, ttlSeconds: number): void {
    const old = this.#entries.get(key);
    if (old !== undefined) this.#remove(key, old);
    const bytes = outcome.records.reduce((sum, { owner, rest }) => sum + owner.length + rest.length, key.length);
    if (ttlSeconds <= 0 || bytes > MAX_CACHE_BYTES) return;
    const storedAtMs = this.#now();
    const expiresAtMs = storedAtMs + Math.min(ttlSeconds, MAX_CACHE_SECONDS) * 1000;
    this.#insert(key, { outcome, storedAtMs, expiresAtMs, bytes });
    for (const [oldest, entry] of this.#entries) {
      if (this.#entries.size <= MAX_CACHE_ENTRIES && this.#bytes <= MAX_CACHE_BYTES) break;
      this.#remove(oldest, entry);
    }
  }

  get size(): number {
    return this.#entries.size;
  }

  #insert(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    this.#bytes += entry.bytes;
  }

  #remove(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }
}
