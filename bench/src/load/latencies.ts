import { percentile } from '../statistics.ts';
import type { Latency } from './protocol.ts';

/** Collects durations in milliseconds. */
export class Latencies {
  #values: number[] = [];

  add(ms: number): void {
    this.#values.push(ms);
  }

  get count(): number {
    return this.#values.length;
  }

  clear(): void {
    this.#values = [];
  }

  /** Undefined if nothing was added. */
  summarize(): Latency | undefined {
    const sorted = Float64Array.from(this.#values).toSorted();
    const p50 = percentile(sorted, 0.5);
    const p99 = percentile(sorted, 0.99);
    const max = sorted.at(-1);
    return p50 === undefined || p99 === undefined || max === undefined ? undefined : { p50, p99, max };
  }
}
