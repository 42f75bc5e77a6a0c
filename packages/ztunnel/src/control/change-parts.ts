import type { StateChange } from '../data-plane/protocol.ts';

/**
 * Values in a part, about: a data thread takes some 2 ms for so many, to receive them and to make them ready. A policy of ten
 * rules has about 200.
 */
const MAX_VALUES = 2000;

/** Changes cut into parts that a data thread can take in without holding up its connections. What is one change stays whole. */
export class ChangeParts {
  readonly changes: readonly StateChange[];
  /** Where the parts that have been asked for end. */
  readonly #ends: number[] = [];

  constructor(changes: readonly StateChange[]) {
    this.changes = changes;
  }

  /** A part by its number, from 0; to be asked for in order. `last`: there is none after it. At least one, maybe empty. */
  part(number: number): { readonly changes: readonly StateChange[]; readonly last: boolean } {
    const from = number === 0 ? 0 : (this.#ends[number - 1] ?? 0);
    const to = (this.#ends[number] ??= this.#findEnd(from));
    return { changes: this.changes.slice(from, to), last: to >= this.changes.length };
  }

  #findEnd(from: number): number {
    let [to, values] = [from, 0];
    for (; to < this.changes.length; to++) {
      values += countValues(this.changes[to]);
      if (values > MAX_VALUES) break;
    }
    return Math.max(to, Math.min(from + 1, this.changes.length));
  }
}

/** Objects, lists and what is in them. */
function countValues(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1;
  let count = 1;
  for (const one of value instanceof Map ? value.values() : Object.values(value)) count += countValues(one);
  return count;
}
