import type { Instrumented } from './instrumented.ts';
import { type Grammar, mutate } from './mutator.ts';
import { Random } from './random.ts';
import type { FuzzTarget } from './targets.ts';

/** Beyond this a run is a finding: so much time of a processor for a few KiB is what an attacker looks for. */
const MAX_RUN_MICROS = 1_000_000;

/** An input that broke a promise, made small. */
export interface Finding {
  readonly input: Buffer;
  readonly error: Error;
}

/** Counts of 1, 2, 3, 4-7, 8-15, 16-31, 32-127 and more are different ways through the code. */
const BUCKETS = Uint8Array.from({ length: 256 }, (_, count) => {
  if (count === 0) return 0;
  if (count <= 3) return 1 << (count - 1);
  if (count <= 7) return 0x08;
  if (count <= 15) return 0x10;
  if (count <= 31) return 0x20;
  return count <= 127 ? 0x40 : 0x80;
});

/** Coverage-guided mutation of one target's inputs: what runs a branch for the first time, or another number of times, is kept. */
export class Fuzzer {
  readonly corpus: Uint8Array[] = [];
  runs = 0;
  readonly #target: FuzzTarget;
  readonly #counters: Uint8ClampedArray;
  readonly #seen: Uint8Array;
  readonly #grammar: Grammar;
  readonly #random: Random;

  /** The same `seed`, corpus and number of runs give the same inputs. */
  constructor(target: FuzzTarget, { counters, branches }: Instrumented, options: { grammar: Grammar; seed: number }) {
    this.#target = target;
    this.#counters = counters.subarray(0, branches);
    this.#seen = new Uint8Array(branches);
    this.#grammar = options.grammar;
    this.#random = new Random(options.seed);
  }

  /** Branches that ran so far. */
  get covered(): number {
    return this.#seen.reduce((sum, buckets) => sum + Math.min(1, buckets), 0);
  }

  /** Runs an input, keeps it if it is new, answers what it broke. */
  add(input: Uint8Array): Finding | undefined {
    const error = this.#run(input);
    if (error !== undefined) return { input: this.#shrink(input), error };
    if (this.#isNew()) this.corpus.push(input);
    return undefined;
  }

  /** One mutation of what is in the corpus. */
  step(): Finding | undefined {
    const { corpus } = this;
    // Newer ones lead further, so they are taken more often.
    const at = Math.max(this.#random.below(corpus.length), this.#random.below(corpus.length));
    const other = corpus[this.#random.below(corpus.length)];
    return this.add(mutate(corpus[at] ?? Buffer.alloc(0), other ?? Buffer.alloc(0), this.#grammar, this.#random));
  }

  #run(input: Uint8Array): Error | undefined {
    this.runs += 1;
    this.#counters.fill(0);
    const before = process.cpuUsage();
    try {
      this.#target(input);
    } catch (error) {
      return error instanceof Error ? error : new Error('not an Error was thrown', { cause: error });
    }
    const { user } = process.cpuUsage(before);
    return user > MAX_RUN_MICROS ? new Error(`took ${user} µs`) : undefined;
  }

  #isNew(): boolean {
    let isNew = false;
    for (let at = 0; at < this.#counters.length; at++) {
      const bucket = BUCKETS[this.#counters[at]!]!;
      if ((this.#seen[at]! & bucket) !== bucket) isNew = true;
      this.#seen[at]! |= bucket;
    }
    return isNew;
  }

  /** Leaves out pieces, large ones first, as long as something still breaks. */
  #shrink(input: Uint8Array): Buffer {
    let least = Buffer.from(input);
    for (let bytes = least.length >> 1; bytes > 0; bytes >>= 1) {
      for (let at = 0; at < least.length; ) {
        const less = Buffer.concat([least.subarray(0, at), least.subarray(at + bytes)]);
        if (this.#run(less) === undefined) at += bytes;
        else least = less;
      }
    }
    return least;
  }
}
