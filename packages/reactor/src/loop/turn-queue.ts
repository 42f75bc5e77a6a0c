/** What is due once, in the order asked for. Whatever throws is not called again, and costs the others nothing but a turn. */
export class TurnQueue<Item> {
  readonly #call: (item: Item) => void;
  #items: Item[] = [];
  #called = 0;

  constructor(call: (item: Item) => void) {
    this.#call = call;
  }

  /** Items that were not called yet. */
  get waiting(): number {
    return this.#items.length - this.#called;
  }

  add(item: Item): void {
    this.#items.push(item);
  }

  /** Calls the first `most` of those that wait now; what is added meanwhile waits for the next time. */
  run(most: number = this.waiting): void {
    for (let left = most; left > 0; left--) this.#call(this.#items[this.#called++]!);
    if (this.#called === 0) return;
    this.#items = this.#items.slice(this.#called);
    this.#called = 0;
  }
}
