import { parseListedHost } from './matches/address.ts';
import { NextChar } from './next-char.ts';
import type { KnownMatch, KnownTarget, RuleBody, RuleReader } from './parse-rule.ts';
import type { Family, Match } from './rule.ts';
import { parseListedDnat } from './targets/address-nat.ts';

const BLANK = 32;
const EXCLAMATION = 33;
const QUOTE = 34;
const DASH = 45;
const COMMENT = '-m comment --comment "';
/** What stands in front of the quote. */
const COMMENT_START = COMMENT.length - 1;
const S = 's'.charCodeAt(0);
const D = 'd'.charCodeAt(0);
const M = 'm'.charCodeAt(0);
const J = 'j'.charCodeAt(0);
/** Options with one value, which repeat. */
const CORE: ReadonlySet<number> = new Set(['i', 'o', 'p'].map((letter) => letter.charCodeAt(0)));

/**
 * A short way through the rules that large saves are made of: one IPv4 host, comments, jumps, translations to a port, and
 * words that were read before. It gives what {@link RuleReader.read} gives, or nothing: then that one has to read it. In a
 * fresh process it takes half of the time, for most of the other way is code that was not compiled yet.
 */
export class UsualRules {
  readonly #text: string;
  readonly #family: Family;
  readonly #blank: NextChar;
  readonly #quote: NextChar;
  readonly #backslash: NextChar;
  readonly #found: Match[] = [];

  /** `text` has no tabs and control characters but line breaks. */
  constructor(text: string, family: Family) {
    this.#text = text;
    this.#family = family;
    this.#blank = new NextChar(text, ' ');
    this.#quote = new NextChar(text, '"');
    this.#backslash = new NextChar(text, '\\');
  }

  /** Reads the rule from `start`, behind its chain, to `end`; undefined where anything is unusual. */
  read(reader: RuleReader, start: number, end: number): RuleBody | undefined {
    const text = this.#text;
    const matches = this.#found;
    matches.length = 0;
    let rank = 0;
    let listed = true;
    for (let at = start; at < end; ) {
      const negated = text.charCodeAt(at) === EXCLAMATION && text.charCodeAt(at + 1) === BLANK;
      if (negated) at += 2;
      if (text.charCodeAt(at) !== DASH || text.charCodeAt(at + 2) !== BLANK) return undefined;
      const letter = text.charCodeAt(at + 1);
      if (letter === J && !negated) {
        const known = this.#target(reader, at, end);
        return known && { matches: matches.slice(), target: known.target, listed: listed && known.listed };
      }
      const stop = letter === M ? this.#endOfExtension(at, end) : Math.min(this.#blank.from(at + 3), end);
      const known = negated ? this.#negatedMatch(reader, at, stop) : this.#match(reader, at, stop);
      if (known === undefined) return undefined;
      listed &&= known.listed && known.rank >= rank;
      ({ rank } = known);
      matches.push(known.match);
      at = stop + 1;
    }
    return undefined;
  }

  #endOfExtension(at: number, end: number): number {
    const text = this.#text;
    if (text.startsWith(COMMENT, at)) {
      const close = text.indexOf('"', at + COMMENT.length);
      return close !== -1 && close < end ? close + 1 : end;
    }
    let stop = this.#blank.from(at + 3);
    while (stop < end) {
      const next = text.charCodeAt(stop + 1);
      if (next === EXCLAMATION || (next === DASH && text.charCodeAt(stop + 3) === BLANK)) return stop;
      stop = this.#blank.from(stop + 1);
    }
    return end;
  }

  #match(reader: RuleReader, at: number, stop: number): KnownMatch | undefined {
    const text = this.#text;
    const letter = text.charCodeAt(at + 1);
    if (letter === M && text.startsWith(COMMENT, at)) {
      const plain = this.#backslash.from(at) >= stop && text.charCodeAt(stop - 1) === QUOTE;
      return plain ? reader.commentOf(text.slice(at + COMMENT_START, stop)) : undefined;
    }
    if (this.#quote.from(at) < stop) return undefined;
    if (letter === S || letter === D) {
      const side = letter === S ? 'source' : 'destination';
      const match = this.#family === 'ipv4' ? parseListedHost(side, text.slice(at + 3, stop)) : undefined;
      return match && { match, rank: letter === S ? 0 : 1, listed: true };
    }
    return letter === M || CORE.has(letter) ? reader.knownMatch(text.slice(at, stop)) : undefined;
  }

  #negatedMatch(reader: RuleReader, at: number, stop: number): KnownMatch | undefined {
    const letter = this.#text.charCodeAt(at + 1);
    const core = letter === S || letter === D || CORE.has(letter);
    return core && this.#quote.from(at) >= stop ? reader.knownMatch(this.#text.slice(at - 2, stop)) : undefined;
  }

  #target(reader: RuleReader, at: number, end: number): KnownTarget | undefined {
    if (this.#quote.from(at) < end) return undefined;
    const words = this.#text.slice(at + 3, end);
    const jump = reader.jumpTo(words);
    if (jump !== undefined) return jump;
    const target = reader.table === 'nat' && this.#family === 'ipv4' ? parseListedDnat(words) : undefined;
    return target ? { target, listed: true } : reader.knownTarget(this.#text.slice(at, end));
  }
}
