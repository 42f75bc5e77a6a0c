/** A text that patterns are looked up by: its beginnings and ends are made once, however many policies ask for them. */
export class TextParts {
  readonly #whole: string;
  /** By length; so are the ends. */
  readonly #beginnings: string[] = [];
  readonly #ends: string[] = [];

  constructor(whole: string) {
    this.#whole = whole;
  }

  /** The first `length` characters (UTF-16 units); undefined if there are fewer. */
  first(length: number): string | undefined {
    if (length > this.#whole.length) return undefined;
    this.#beginnings[length] ??= this.#whole.slice(0, length);
    return this.#beginnings[length];
  }

  /** The last `length` characters; undefined if there are fewer. */
  last(length: number): string | undefined {
    if (length > this.#whole.length) return undefined;
    this.#ends[length] ??= this.#whole.slice(this.#whole.length - length);
    return this.#ends[length];
  }
}
