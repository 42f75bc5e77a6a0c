import { IptablesError } from '../errors.ts';

const TAB = 9;
const CARRIAGE_RETURN = 13;
const BLANK = 32;
/** Character code of `!`, which turns the next option around. */
export const EXCLAMATION = 33;
const QUOTE = 34;
const BACKSLASH = 92;
const DELETE = 127;
const DASH = 45;

/** What {@link Words.letter} says of an option such as `--dport`. */
const LONG_OPTION = 1;

const AS_READ: readonly number[] = [];

/** One option of an extension with the words up to the next option: `! --match-set probes dst`. */
export interface Option {
  readonly name: string;
  readonly values: readonly string[];
  readonly negated: boolean;
}

/**
 * The words of the lines of a text, one line at a time, split as `iptables-restore` does: blanks separate, double quotes
 * group, a backslash escapes inside of quotes only. Keeps offsets, and makes a string only when asked.
 */
export class Words {
  /** Number of words. */
  count = 0;
  readonly #source: string;
  /** What the offsets are of: the source, or a line of it that was spaced once. */
  #text = '';
  #lineStart = 0;
  #lineNumber = 0;
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  /** Whether a word has quotes: then it is never an option. */
  readonly #quoted: boolean[] = [];
  /** What {@link letter} returns. */
  readonly #letters: number[] = [];
  /** Where the words began before they were spaced once; empty where they were so already. */
  #original: readonly number[] = AS_READ;

  constructor(source: string) {
    this.#source = source;
  }

  /**
   * Takes the words of the line from `start` to `end`, forgetting those before; lines are counted from 1. Throws
   * `IPTABLES_SAVE_INVALID` with line and column for a quote that does not end, and for a control character that no
   * program would print there.
   */
  read(start: number, end: number, lineNumber: number): void {
    this.#text = this.#source;
    this.#lineStart = start;
    this.#lineNumber = lineNumber;
    this.#original = AS_READ;
    if (this.#split(start, end)) return;
    const spaced = this.#spacedOnce();
    this.#original = this.#starts.slice(0, this.count);
    this.#text = spaced;
    this.#split(0, spaced.length);
  }

  /** `IPTABLES_SAVE_INVALID` at word `index`, or behind the last. */
  invalid(index: number, what: string): IptablesError {
    const last = Math.min(index, this.count - 1);
    const start = this.#original[last] ?? this.#starts[last] ?? this.#lineStart;
    const offset = last === index ? start : start + (this.#ends[last] ?? 0) - (this.#starts[last] ?? 0);
    return invalidSave(this.#lineNumber, offset - this.#lineStart + 1, what);
  }

  /** Whether word `index` exists, has no quotes and reads `text`. */
  is(index: number, text: string): boolean {
    if (index >= this.count || this.#quoted[index]) return false;
    const start = this.#starts[index] ?? 0;
    return (this.#ends[index] ?? 0) - start === text.length && this.#text.startsWith(text, start);
  }

  /** Whether word `index` has quotes. */
  isQuoted(index: number): boolean {
    return index < this.count && this.#quoted[index] === true;
  }

  /** Character code of the letter of a short option such as `-j`, that of `!` for it; no letter for any other word. */
  letter(index: number): number {
    return index < this.count ? (this.#letters[index] ?? 0) : 0;
  }

  /** Value of word `index`, without quotes and escapes; empty after the last. */
  text(index: number): string {
    if (index >= this.count) return '';
    const source = this.#text.slice(this.#starts[index], this.#ends[index]);
    return this.#quoted[index] ? unquote(source) : source;
  }

  /** Words `from` up to, not including, `to`, as written with one blank between them. */
  source(from: number, to: number): string {
    return from >= to ? '' : this.#text.slice(this.#starts[from], this.#ends[to - 1]);
  }

  /** Words `from` up to `to` as options; undefined where they do not have that shape. */
  options(from: number, to: number): readonly Option[] | undefined {
    const options: Option[] = [];
    for (let at = from; at < to; ) {
      const negated = this.letter(at) === EXCLAMATION;
      if (negated) at += 1;
      if (at >= to || this.letter(at) !== LONG_OPTION) return undefined;
      const name = this.text(at);
      const values: string[] = [];
      // Free text may look like an option without being quoted.
      let free = name === '--comment' || name === '--log-prefix';
      for (at += 1; at < to && (free || !this.#endsValues(this.letter(at))); at++) {
        values.push(this.text(at));
        free = false;
      }
      options.push({ name, values, negated });
    }
    return options;
  }

  #endsValues(letter: number): boolean {
    return letter === EXCLAMATION || letter === LONG_OPTION;
  }

  /** Returns whether one blank stands between all words, and none around them. */
  #split(start: number, end: number): boolean {
    const text = this.#text;
    this.count = 0;
    let even = true;
    let next = start;
    for (let at = start; at < end; ) {
      const code = text.charCodeAt(at);
      if (code === BLANK || code === TAB) {
        at += 1;
      } else {
        even &&= at === next;
        at = this.#readWord(at, end);
        // Where the next word begins if one blank is between.
        next = text.charCodeAt(at) === TAB ? -1 : at + 1;
      }
    }
    return even && next === end + 1;
  }

  #readWord(start: number, end: number): number {
    const text = this.#text;
    const at = this.#endOfWord(start, end);
    const index = this.count;
    const quoted = text.slice(start, at).includes('"');
    this.#starts[index] = start;
    this.#ends[index] = at;
    this.#quoted[index] = quoted;
    this.#letters[index] = quoted ? 0 : letterOf(text, start, at);
    this.count = index + 1;
    return at;
  }

  #endOfWord(start: number, end: number): number {
    const text = this.#text;
    let quoteAt = -1;
    let at = start;
    for (; at < end; at++) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) {
        quoteAt = quoteAt === -1 ? at : -1;
      } else if (isForbidden(code)) {
        throw this.#invalidAt(at, `control character ${code}`);
      } else if (quoteAt !== -1) {
        if (code === BACKSLASH && !isForbidden(text.charCodeAt(at + 1))) at += 1;
      } else if (code === BLANK || code === TAB) {
        break;
      } else if (code < BLANK || code === DELETE) {
        throw this.#invalidAt(at, `control character ${code} outside of quotes`);
      }
    }
    if (quoteAt !== -1) throw this.#invalidAt(quoteAt, 'this quote does not end');
    return at;
  }

  #invalidAt(offset: number, what: string): IptablesError {
    return invalidSave(this.#lineNumber, offset - this.#lineStart + 1, what);
  }

  #spacedOnce(): string {
    const words: string[] = [];
    for (let index = 0; index < this.count; index++) words.push(this.source(index, index + 1));
    return words.join(' ');
  }
}

/** The only option, if there is no other and it has that name. */
export function onlyOption(options: readonly Option[], name: string): Option | undefined {
  const option = options[0];
  return options.length === 1 && option?.name === name ? option : undefined;
}

/** `IPTABLES_SAVE_INVALID` with its place, from 1, as fields and in the message. */
export function invalidSave(line: number, column: number, what: string): IptablesError {
  return new IptablesError('IPTABLES_SAVE_INVALID', `line ${line}, column ${column}: ${what}`, { line, column });
}

function letterOf(text: string, start: number, end: number): number {
  const first = text.charCodeAt(start);
  if (end - start === 1) return first === EXCLAMATION ? EXCLAMATION : 0;
  if (first !== DASH) return 0;
  const second = text.charCodeAt(start + 1);
  if (end - start === 2) return second;
  return second === DASH ? LONG_OPTION : 0;
}

/** Ends a text, or a line to some: no program takes it, not even in quotes. */
function isForbidden(code: number): boolean {
  return code === 0 || code === CARRIAGE_RETURN;
}

function unquote(source: string): string {
  // Nearly always one pair of quotes around plain text.
  if (source.indexOf('"', 1) === source.length - 1 && source.startsWith('"') && !source.includes('\\'))
    return source.slice(1, -1);
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
