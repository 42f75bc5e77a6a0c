import { IptablesError } from '../errors.ts';

const TAB = 9;
const BLANK = 32;
const QUOTE = 34;
const BACKSLASH = 92;
const DELETE = 127;
const DASH = 45;

/** Options whose one value is free text, which may look like an option without being quoted. */
const FREE_TEXT: ReadonlySet<string> = new Set(['--comment', '--log-prefix']);

/** One option of an extension with the words up to the next option: `! --match-set probes dst`. */
export interface Option {
  readonly name: string;
  readonly values: readonly string[];
  readonly negated: boolean;
}

/**
 * The words of one line, split as `iptables-restore` does: blanks separate, double quotes group, a backslash escapes
 * inside of quotes only. One object serves all lines of a text: it keeps offsets and makes a string only when asked.
 */
export class Words {
  /** Number of words. */
  count = 0;
  #line = '';
  #lineNumber = 0;
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  /** Whether a word has quotes: then it is never an option. */
  readonly #quoted: boolean[] = [];
  /** Where the words began before they were spaced once; empty where they were so already. */
  #original: readonly number[] = [];

  /**
   * Takes the words of `line`, forgetting those before. Throws `IPTABLES_SAVE_INVALID` with line and column for a
   * quote that does not end, and for a control character that no program would print there.
   */
  read(line: string, lineNumber: number): void {
    this.#lineNumber = lineNumber;
    this.#original = [];
    if (this.#split(line)) return;
    const spaced = this.#spacedOnce();
    this.#original = this.#starts.slice(0, this.count);
    this.#split(spaced);
  }

  /** `IPTABLES_SAVE_INVALID` at word `index`, or behind the last. */
  invalid(index: number, what: string): IptablesError {
    const last = Math.min(index, this.count - 1);
    const start = this.#original[last] ?? this.#starts[last] ?? 0;
    const column = last === index ? start : start + (this.#ends[last] ?? 0) - (this.#starts[last] ?? 0);
    return invalidSave(this.#lineNumber, column + 1, what);
  }

  /** Whether word `index` exists, has no quotes and reads `text`. */
  is(index: number, text: string): boolean {
    const start = this.#starts[index] ?? 0;
    return (
      index < this.count &&
      !this.#quoted[index] &&
      (this.#ends[index] ?? 0) - start === text.length &&
      this.#line.startsWith(text, start)
    );
  }

  /** The letter of a short option such as `-j`, as a character code; 0 for any other word and after the last. */
  shortOption(index: number): number {
    const start = this.#starts[index] ?? 0;
    if (index >= this.count || (this.#ends[index] ?? 0) - start !== 2 || this.#quoted[index]) return 0;
    return this.#line.charCodeAt(start) === DASH ? this.#line.charCodeAt(start + 1) : 0;
  }

  /** Value of word `index`, without quotes and escapes; empty after the last. */
  text(index: number): string {
    if (index >= this.count) return '';
    const source = this.#line.slice(this.#starts[index], this.#ends[index]);
    return this.#quoted[index] ? unquote(source) : source;
  }

  /** Words `from` up to, not including, `to`, as written with one blank between them. */
  source(from: number, to: number): string {
    return from >= to ? '' : this.#line.slice(this.#starts[from], this.#ends[to - 1]);
  }

  /** Words `from` up to `to` as options; undefined where they do not have that shape. */
  options(from: number, to: number): readonly Option[] | undefined {
    const options: Option[] = [];
    for (let at = from; at < to; ) {
      const negated = this.is(at, '!');
      if (negated) at += 1;
      if (at >= to || !this.#isLongOption(at)) return undefined;
      const name = this.text(at);
      at += 1;
      const values: string[] = [];
      if (FREE_TEXT.has(name) && at < to) values.push(this.text(at++));
      else for (; at < to && !this.is(at, '!') && !this.#isLongOption(at); at++) values.push(this.text(at));
      options.push({ name, values, negated });
    }
    return options;
  }

  #isLongOption(index: number): boolean {
    return !this.#quoted[index] && this.#line.startsWith('--', this.#starts[index]);
  }

  /** Returns whether one blank stands between all words, and none around them. */
  #split(line: string): boolean {
    this.#line = line;
    this.count = 0;
    let even = true;
    let at = 0;
    while (at < line.length) {
      const code = line.charCodeAt(at);
      if (code === BLANK || code === TAB) {
        even &&= code === BLANK && this.count > 0 && at === this.#ends[this.count - 1];
        at += 1;
      } else {
        at = this.#readWord(at);
      }
    }
    return even && this.#ends[this.count - 1] === line.length;
  }

  #readWord(start: number): number {
    const line = this.#line;
    let quoteAt = -1;
    let quoted = false;
    let at = start;
    for (; at < line.length; at++) {
      const code = line.charCodeAt(at);
      if (code === QUOTE) {
        quoteAt = quoteAt === -1 ? at : -1;
        quoted = true;
      } else if (quoteAt !== -1) {
        if (code === BACKSLASH) at += 1;
      } else if (code === BLANK || code === TAB) {
        break;
      } else if (code < BLANK || code === DELETE) {
        throw invalidSave(this.#lineNumber, at + 1, `control character ${code} outside of quotes`);
      }
    }
    if (quoteAt !== -1) throw invalidSave(this.#lineNumber, quoteAt + 1, 'this quote does not end');
    this.#starts[this.count] = start;
    this.#ends[this.count] = at;
    this.#quoted[this.count] = quoted;
    this.count += 1;
    return at;
  }

  #spacedOnce(): string {
    const words: string[] = [];
    for (let index = 0; index < this.count; index++) words.push(this.source(index, index + 1));
    return words.join(' ');
  }
}

/** `IPTABLES_SAVE_INVALID` with its place, from 1, as fields and in the message. */
export function invalidSave(line: number, column: number, what: string): IptablesError {
  return new IptablesError('IPTABLES_SAVE_INVALID', `line ${line}, column ${column}: ${what}`, { line, column });
}

function unquote(source: string): string {
  let text = '';
  let quoting = false;
  for (let at = 0; at < source.length; at++) {
    const code = source.charCodeAt(at);
    if (code === QUOTE) {
      quoting = !quoting;
    } else {
      if (quoting && code === BACKSLASH) at += 1;
      text += source[at] ?? '';
    }
  }
  return text;
}
