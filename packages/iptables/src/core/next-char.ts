/** Finds one character in a text, asked for in rising order: so the text is searched once, however it is cut into lines. */
export class NextChar {
  readonly #text: string;
  readonly #char: string;
  #at = -1;

  constructor(text: string, char: string) {
    this.#text = text;
    this.#char = char;
  }

  /** Offset of the first one at or behind `start`; the length of the text where there is none. */
  from(start: number): number {
    if (this.#at < start) {
      const found = this.#text.indexOf(this.#char, start);
      this.#at = found === -1 ? this.#text.length : found;
    }
    return this.#at;
  }
}
