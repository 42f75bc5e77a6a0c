/** Above so many the memory of a queue that is empty is given back. */
const MOST_KEPT = 1024;

/** What is due once, in the order asked for. Whatever throws is not called again, and costs the others nothing but a turn. */
export class TurnQueue<Item> {
  readonly #call: (item: Item) => void;
  /** Used again and again: an array a run, and one that is grown anew, were 1 % of a request of 1 KiB. */
  #items: (Item | undefined)[] = [];
  #added = 0;
  #called = 0;

  constructor(call: (item: Item) => void) {
    this.#call = call;
  }

  /** Items that were not called yet. */
  get waiting(): number {
    return this.#added - this.#called;
  }

  add(item: Item): void {
    this.#items[this.#added++] = item;
  }

  /** Calls the first `most` of those that wait now; what is added meanwhile waits for the next time. */
  run(most: number = this.waiting): void {
    for (let left = most; left > 0; left--) {
      const at = this.#called++;
      const item = this.#items[at]!;
      this.#items[at] = undefined;
      this.#call(item);
    }
    this.#reuse();
  }

  #reuse(): void {
    if (this.#called === 0) return;
    if (this.#called < this.#added) this.#items = this.#items.slice(this.#called, this.#added);
    else if (this.#items.length > MOST_KEPT) this.#items = [];
    this.#added -= this.#called;
    this.#called = 0;
  }
}
