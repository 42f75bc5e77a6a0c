import type { Field } from '../contract.ts';
import { DynamicTable } from './dynamic-table.ts';

/** A dynamic table that an encoder can search without looking at every entry. */
export class SearchTable extends DynamicTable {
  /** Numbers of the newest entry with a value and with a name; they go when that entry does. */
  readonly #byValue = new Map<string, number>();
  readonly #byName = new Map<string, number>();

  override add(field: Field): boolean {
    if (!super.add(field)) return false;
    this.#byValue.set(field[1], this.newest);
    this.#byName.set(field[0], this.newest);
    return true;
  }

  /** Index of an entry with this name and value, or -1. */
  find(name: string, value: string): number {
    const number = this.#byValue.get(value);
    if (number === undefined) return -1;
    // Different names seldom have one value, and then mostly the empty one.
    for (let index = this.newest - number; index < this.length; index++) {
      const entry = this.at(index)!;
      if (entry[0] === name && entry[1] === value) return index;
    }
    return -1;
  }

  /** Index of the newest entry with this name, or -1. */
  findName(name: string): number {
    const number = this.#byName.get(name);
    return number === undefined ? -1 : this.newest - number;
  }

  protected override evicted([name, value]: Field, number: number): void {
    if (this.#byValue.get(value) === number) this.#byValue.delete(value);
    if (this.#byName.get(name) === number) this.#byName.delete(name);
  }
}
