import { createHash, type Hash } from 'node:crypto';

/** Numbers that follow from a seed (mulberry32), so that a failure can be had again. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** A whole number from 0 up to, not including, `bound`. */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  }

  /** Sizes of writes as they come: mostly small, sometimes large. */
  size(): number {
    return 1 + this.below([10, 100, 5000, 20_000, 300_000][this.below(5)] ?? 1);
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    let value = this.below(256);
    for (let index = 0; index < length; index++) bytes[index] = value = (value * 167 + 13) & 0xff;
    return bytes;
  }
}

/** SHA-256 and length of a stream. */
export class Digest {
  bytes = 0;
  readonly #hash: Hash = createHash('sha256');

  add(memory: Uint8Array, start = 0, end = memory.length): void {
    this.bytes += end - start;
    this.#hash.update(memory.subarray(start, end));
  }

  text(): string {
    return `${this.bytes} ${this.#hash.copy().digest('hex')}`;
  }
}
