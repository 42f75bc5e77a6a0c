import type { Field } from '../contract.ts';

/** What an entry costs beside its octets. RFC 7541 4.1 */
const ENTRY_OVERHEAD_BYTES = 32;

/** Removed slots are reclaimed once there are this many, so that eviction costs O(1) a time on average. */
const COMPACT_AT = 64;

/** Size of a field as both HPACK tables and SETTINGS_MAX_HEADER_LIST_SIZE count it. */
export function fieldBytes(field: Field): number {
  return field[0].length + field[1].length + ENTRY_OVERHEAD_BYTES;
}

/** The first-in first-out table of one direction of a connection; index 0 is the newest entry. RFC 7541 2.3.2 */
export class DynamicTable {
  #entries: (Field | undefined)[] = [];
  #oldest = 0;
  #bytes = 0;
  #maxBytes: number;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get length(): number {
    return this.#entries.length - this.#oldest;
  }

  get maxBytes(): number {
    return this.#maxBytes;
  }

  /** Changes the size and evicts what no longer fits. */
  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes;
    this.#evict(maxBytes);
  }

  /** The entry, or undefined beyond the end. */
  at(index: number): Field | undefined {
    return index < this.length ? this.#entries[this.#entries.length - 1 - index] : undefined;
  }

  /** Adds an entry; one larger than the table empties it, which is not an error. RFC 7541 4.4 */
  add(field: Field): void {
    const bytes = fieldBytes(field);
    this.#evict(Math.max(0, this.#maxBytes - bytes));
    if (bytes > this.#maxBytes) return;
    this.#entries.push(field);
    this.#bytes += bytes;
  }

  /** Index of the entry with this name and value, or -1. */
  find(name: string, value: string): number {
    for (let at = this.#entries.length - 1; at >= this.#oldest; at--) {
      const entry = this.#entries[at]!;
      if (entry[1] === value && entry[0] === name) return this.#entries.length - 1 - at;
    }
    return -1;
  }

  /** Index of the newest entry with this name, or -1. */
  findName(name: string): number {
    for (let at = this.#entries.length - 1; at >= this.#oldest; at--) {
      if (this.#entries[at]![0] === name) return this.#entries.length - 1 - at;
    }
    return -1;
  }

  #evict(toBytes: number): void {
    while (this.#bytes > toBytes) {
      this.#bytes -= fieldBytes(this.#entries[this.#oldest]!);
      this.#entries[this.#oldest++] = undefined;
    }
    if (this.#oldest === this.#entries.length) this.#entries.length = this.#oldest = 0;
    else if (this.#oldest >= COMPACT_AT) {
      this.#entries.splice(0, this.#oldest);
      this.#oldest = 0;
    }
  }
}
