import type { Field } from '../contract.ts';

/** SETTINGS_HEADER_TABLE_SIZE that holds without a setting. We announce no other, and never use more of a peer's. RFC 9113 6.5.2 */
export const DEFAULT_HEADER_TABLE_BYTES = 4096;

/** What an entry costs beside its octets. RFC 7541 4.1 */
const ENTRY_OVERHEAD_BYTES = 32;

/** Slots of a new table; doubled when full. Idle connections hold a handful of entries, full tables up to 128. */
const INITIAL_SLOTS = 16;

/** Size of a field as both HPACK tables and SETTINGS_MAX_HEADER_LIST_SIZE count it. */
export function fieldBytes(field: Field): number {
  return field[0].length + field[1].length + ENTRY_OVERHEAD_BYTES;
}

/**
 * The first-in first-out table of one direction of a connection; index 0 is the newest entry. Adding and evicting cost
 * the same however full it is: a peer may turn the whole table over with every field. RFC 7541 2.3.2
 */
export class DynamicTable {
  /** A ring; entry number n, counted from the connection's first, is in slot n modulo the (power of two) slots. */
  #slots: (Field | undefined)[] = Array.from({ length: INITIAL_SLOTS });
  #added = 0;
  #length = 0;
  #bytes = 0;
  #maxBytes: number;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get length(): number {
    return this.#length;
  }

  /** Octets as RFC 7541 4.1 counts them, at most `maxBytes`. */
  get bytes(): number {
    return this.#bytes;
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
    return index < this.#length ? this.#slots[(this.#added - 1 - index) & (this.#slots.length - 1)] : undefined;
  }

  /** Adds an entry; one larger than the table empties it, which is not an error (RFC 7541 4.4). False: it was too large. */
  add(field: Field): boolean {
    const bytes = fieldBytes(field);
    if (bytes > this.#maxBytes) {
      this.clear();
      return false;
    }
    this.#evict(this.#maxBytes - bytes);
    if (this.#length === this.#slots.length) this.#grow();
    this.#slots[this.#added & (this.#slots.length - 1)] = field;
    this.#added += 1;
    this.#length += 1;
    this.#bytes += bytes;
    return true;
  }

  clear(): void {
    this.#evict(0);
  }

  /** Told of every entry that goes, oldest first, so that an index over the table can follow. */
  protected evicted(_field: Field, _number: number): void {}

  /** Number of the entry at index 0, counted from the connection's first. */
  protected get newest(): number {
    return this.#added - 1;
  }

  #evict(toBytes: number): void {
    while (this.#bytes > toBytes) {
      const number = this.#added - this.#length;
      const slot = number & (this.#slots.length - 1);
      const field = this.#slots[slot]!;
      // Not kept alive by an empty table.
      this.#slots[slot] = undefined;
      this.#length -= 1;
      this.#bytes -= fieldBytes(field);
      this.evicted(field, number);
    }
  }

  #grow(): void {
    const slots: (Field | undefined)[] = Array.from({ length: 2 * this.#slots.length });
    for (let index = 0; index < this.#length; index++)
      slots[(this.#added - 1 - index) & (slots.length - 1)] = this.at(index);
    this.#slots = slots;
  }
}
