/** A change of one side; done to both, one after the other, with the same outcome, also if it is done twice. */
export type Write<Side> = (side: Side) => void;

/**
 * Two copies of one thing: one is read, the other takes in what is to be seen later. Exchanging them shows any number of
 * changes at once and costs nothing, however many there are; then the other copy is brought up to date at leisure. What the
 * copies consist of is shared, so that the second costs its indexes only.
 */
export class TwoSided<Side> {
  #current: Side;
  #next: Side;
  /** What `#next` has and `#current` has not; or, after an exchange, what `#next` still lacks from `#replayed` on. */
  #writes: Write<Side>[] = [];
  #exchanged = false;
  #replayed = 0;

  constructor(create: () => Side) {
    this.#current = create();
    this.#next = create();
  }

  /** The side that is read. Only of use within the turn. */
  get current(): Side {
    return this.#current;
  }

  /** What `current` will be after the next exchange, as far as it is known. */
  get next(): Side {
    this.settle();
    return this.#next;
  }

  /** Makes a change that is not seen before the next exchange. */
  stage(write: Write<Side>): void {
    write(this.next);
    this.#writes.push(write);
  }

  /** Makes a change that is seen at once, and that counts more than what was staged before it. */
  write(write: Write<Side>): void {
    this.settle();
    write(this.#current);
    write(this.#next);
    // Behind those when they are made up for.
    if (this.#writes.length > 0) this.#writes.push(write);
  }

  /** Shows all that was staged. To be followed by `step` until there is nothing left; what comes before that makes up for it. */
  exchange(): void {
    this.settle();
    [this.#current, this.#next] = [this.#next, this.#current];
    this.#exchanged = true;
  }

  /** Makes one change to the side that is behind; false: none is. */
  step(): boolean {
    if (!this.#exchanged) return false;
    const write = this.#writes[this.#replayed++];
    if (write !== undefined) {
      write(this.#next);
      return true;
    }
    this.#writes = [];
    this.#replayed = 0;
    this.#exchanged = false;
    return false;
  }

  /** Makes both sides alike now. Nothing to do where `step` has done it. */
  settle(): void {
    while (this.step());
  }
}
