import { FOREIGN_TO_PORTS } from '../foreign-to-ports.ts';
import { listProtocol } from '../protocol-names.ts';
import { isWord } from '../render-words.ts';
import type { Family, TableName } from '../rule.ts';
import { targetNamed } from '../targets/target-kinds.ts';
import { EXCLAMATION, type Words } from '../words.ts';
import { respellBlock } from './address-spelling.ts';
import { type CoreOption, longOption, longOptionsFrom, shortOption } from './core-options.ts';
import { LoadedExtension } from './loaded-extension.ts';
import { loadedBy, matchSpelling } from './match-spellings.ts';
import type { OptionSpelling, Refusal } from './option-spelling.ts';
import { targetSpelling } from './target-spellings.ts';

/** Rules that lists of addresses in one rule may stand for; a line has room for millions. */
const MOST_RULES = 4096;
/** Characters of all these rules: several times what they have if they say what rules say. */
const MOST_TEXT = 1_048_576;
/** Extensions of one rule, which are gone through for each abbreviated option. */
const MOST_EXTENSIONS = 256;

/** Where a rule is. */
export interface RespellScope {
  readonly family: Family;
  readonly table: TableName;
  /** Whether `-j name` is a jump to a chain. */
  isChain(name: string): boolean;
}

/** A part of a rule: a core option with what it may be (several addresses are as many rules), or an extension. */
type Chunk =
  | { readonly option: CoreOption; readonly texts: readonly string[] }
  | { readonly option: 'extension'; readonly extension: LoadedExtension };

interface Found {
  readonly option: OptionSpelling;
  readonly owner: LoadedExtension;
}

/** A rule that this file has nothing to say of: it stays as written. */
class NotUnderstood extends Error {}

/**
 * Reads the words from number `from` as the tools read a command line, and writes them as they are listed: long, short
 * and abbreviated options, those of matches loaded by the protocol, those behind the target, names of ICMP types and the
 * like, and defaults. Lists of addresses give several rules, in the order in which the tools make them. What is unknown
 * stays as written, and the order of matches too. Undefined where nothing would change, or the rule is not understood.
 * Throws `IPTABLES_SAVE_INVALID` with its place for what the tools refuse on the command line (a value that is missing, a
 * second target, words that belong to nothing) and for names that only the machine could resolve.
 */
export function respellRule(words: Words, from: number, scope: RespellScope): readonly string[] | undefined {
  try {
    const texts = new RuleSpeller(words, scope).read(from);
    return texts.length === 1 && texts[0] === words.source(from, words.count) ? undefined : texts;
  } catch (error) {
    if (error instanceof NotUnderstood) return undefined;
    throw error;
  }
}

/** Whether the words from number `from` are of known extensions, with values that are known, as the tools list them. */
export function isSpelledAsListed(words: Words, from: number, scope: RespellScope): boolean {
  try {
    const speller = new RuleSpeller(words, scope);
    const [text, ...more] = speller.read(from);
    return speller.understood && more.length === 0 && text === words.source(from, words.count);
  } catch (error) {
    if (error instanceof NotUnderstood) return false;
    throw error;
  }
}

class RuleSpeller {
  /** Whether no value stayed as written because nothing is known of it. */
  understood = true;
  readonly #words: Words;
  readonly #scope: RespellScope;
  readonly #chunks: Chunk[] = [];
  readonly #loaded: LoadedExtension[] = [];
  /** Takes the words that follow, for nothing is known of its options. */
  #taker: LoadedExtension | undefined;
  #protocol = '';
  #target: string | LoadedExtension | undefined;
  #at = 0;
  #negated = false;

  constructor(words: Words, scope: RespellScope) {
    this.#words = words;
    this.#scope = scope;
  }

  read(from: number): readonly string[] {
    for (this.#at = from; this.#at < this.#words.count; ) this.#readNext();
    return this.#render();
  }

  #readNext(): void {
    const words = this.#words;
    this.#negated = words.letter(this.#at) === EXCLAMATION;
    if (this.#negated) {
      this.#at += 1;
      if (this.#at === words.count || words.letter(this.#at) === EXCLAMATION)
        throw words.invalid(this.#at, 'want an option behind "!"');
    }
    const word = words.isQuoted(this.#at) ? '' : words.text(this.#at);
    if (!word.startsWith('-')) {
      this.#readStray();
      return;
    }
    const equals = word.startsWith('--') ? word.indexOf('=') : -1;
    const name = equals === -1 ? word : word.slice(0, equals);
    const value = equals === -1 ? undefined : word.slice(equals + 1);
    const found = name.startsWith('--') ? this.#find(name.slice(2)) : shortOption(name);
    if (typeof found === 'string') this.#readCore(found, value);
    else if (found !== undefined) this.#readOption(found, value);
    else this.#readUnknown();
  }

  /** A word where an option is due: of an extension that nothing is known of, or of none. */
  #readStray(): void {
    const { source } = this.#here();
    if (this.#taker === undefined)
      throw this.#words.invalid(this.#at, `want an option, not ${JSON.stringify(this.#words.text(this.#at))}`);
    this.#taker.giveWords(`${this.#negated ? '! ' : ''}${source}`);
    this.#at += 1;
  }

  #readUnknown(): void {
    const taker = this.#loaded.findLast(({ spelling }) => spelling === undefined);
    if (taker === undefined) throw new NotUnderstood();
    this.#taker = taker;
    taker.giveWords(`${this.#negated ? '! ' : ''}${this.#here().source}`);
    this.#at += 1;
  }

  /** As getopt does: exact names, then abbreviations of one option only, then what the protocol would load. */
  #find(name: string): CoreOption | Found | undefined {
    const found = this.#findLoaded(name);
    if (found !== undefined) return found;
    const extension = loadedBy(this.#protocol);
    if (extension === undefined) return undefined;
    const added = new LoadedExtension('protocol', extension, matchSpelling(extension));
    const option = added.optionNamed(name) ?? (this.#isFree(name) ? only(added.optionsFrom(name)) : undefined);
    if (option === undefined) return undefined;
    this.#load(added);
    return { option, owner: added };
  }

  #findLoaded(name: string): CoreOption | Found | undefined {
    const core = longOption(name);
    if (core !== undefined) return core;
    // The tool looks at what was loaded last first.
    for (const owner of this.#loaded.toReversed()) {
      const option = owner.optionNamed(name);
      if (option !== undefined) return { option, owner };
    }
    if (!this.#knowsAll()) return undefined;
    const meant = longOptionsFrom(name);
    const options = this.#loaded.flatMap((owner) => owner.optionsFrom(name).map((option) => ({ option, owner })));
    if (meant.size + options.length !== 1) return undefined;
    return options[0] ?? [...meant][0];
  }

  /** Whether the abbreviation can mean nothing that is known already. */
  #isFree(name: string): boolean {
    if (!this.#knowsAll() || longOptionsFrom(name).size > 0) return false;
    return this.#loaded.every((owner) => owner.optionsFrom(name).length === 0);
  }

  #knowsAll(): boolean {
    return this.#loaded.every(({ spelling }) => spelling !== undefined);
  }

  #load(extension: LoadedExtension): void {
    if (this.#loaded.length === MOST_EXTENSIONS) throw new NotUnderstood();
    this.#loaded.push(extension);
    if (extension.loading !== '-j') this.#chunks.push({ option: 'extension', extension });
  }

  #readCore(option: CoreOption, value: string | undefined): void {
    this.#taker = undefined;
    if (this.#negated && (option === '-m' || option === '-j' || option === '-g'))
      throw this.#words.invalid(this.#at, `"!" cannot stand before ${option}`);
    if (option === '-f' || option === '-4' || option === '-6' || option === '-c') {
      this.#readAlone(option);
      return;
    }
    const [text = ''] = this.#values(1, value, option);
    if (option === '-m') this.#readMatch(text);
    else if (option === '-j' || option === '-g') this.#readTarget(option, text);
    else this.#chunks.push({ option, texts: this.#coreTexts(option, text) });
  }

  #readAlone(option: '-f' | '-4' | '-6' | '-c'): void {
    if (option === '-c') throw this.#words.invalid(this.#at, 'want counters in front of the rule, such as [5:300]');
    if (option === '-f') this.#chunks.push({ option, texts: [`${this.#not()}-f`] });
    else if (option !== (this.#scope.family === 'ipv4' ? '-4' : '-6'))
      throw this.#words.invalid(this.#at, `${option}: the tools leave this rule out for ${this.#scope.family}`);
    this.#at += 1;
  }

  #coreTexts(option: CoreOption, text: string): readonly string[] {
    if (text === '!') throw this.#words.invalid(this.#at - 1, `want a value for ${option}: "!" goes before it`);
    if (!isWord(text)) throw new NotUnderstood();
    if (option === '-p' && !this.#negated) this.#protocol = listProtocol(text);
    if (option !== '-s' && option !== '-d') return [`${this.#not()}${option} ${text}`];
    const blocks = text.split(',');
    if (this.#negated && blocks.length > 1)
      throw this.#words.invalid(this.#at - 1, 'a list of addresses cannot be negated');
    return blocks.map((block) => {
      const respelled = this.#accept(respellBlock(block, this.#scope.family));
      if (respelled === undefined && blocks.length > 1)
        throw this.#words.invalid(this.#at - 1, `${JSON.stringify(block)} is no address of ${this.#scope.family}`);
      return `${this.#not()}${option} ${respelled ?? block}`;
    });
  }

  #readMatch(name: string): void {
    if (!isWord(name)) throw new NotUnderstood();
    const extension = new LoadedExtension('-m', name, matchSpelling(name));
    this.#load(extension);
    if (extension.spelling === undefined) this.#taker = extension;
  }

  #readTarget(option: '-j' | '-g', name: string): void {
    const place = this.#at - 2;
    if (this.#target !== undefined) throw this.#words.invalid(place, 'a rule has one target only');
    if (!isWord(name)) throw new NotUnderstood();
    if (option === '-g' || this.#scope.isChain(name)) {
      this.#target = `${option} ${name}`;
      return;
    }
    const known = targetNamed(name, this.#scope.table) !== undefined || isVerdict(name);
    const extension = new LoadedExtension('-j', name, known ? targetSpelling(name) : undefined);
    this.#load(extension);
    this.#target = extension;
    if (extension.spelling === undefined) this.#taker = extension;
  }

  #readOption({ option, owner }: Found, value: string | undefined): void {
    this.#taker = undefined;
    const start = this.#at;
    const values = this.#values(option.values, value, `--${option.names[0]}`);
    if (owner.has(option)) throw this.#words.invalid(start, `--${option.names[0]} is there twice`);
    const rival = owner.rivalOf(option);
    if (rival !== undefined)
      throw this.#words.invalid(start, `--${option.names[0]} cannot be used together with --${rival}`);
    const respelled = this.#accept(option.respell?.(values, this.#scope.family));
    if (option.respell !== undefined && respelled === undefined) this.understood = false;
    owner.give(option, this.#not() + (respelled ?? this.#words.source(start, this.#at)));
  }

  /** The values of the option here, and goes behind them. */
  #values(count: number, first: string | undefined, option: string): readonly string[] {
    if (first !== undefined && count === 0) throw new NotUnderstood();
    const values = first === undefined ? [] : [first];
    this.#at += 1;
    while (values.length < count) {
      if (this.#at >= this.#words.count) throw this.#words.invalid(this.#words.count, `want a value for ${option}`);
      values.push(this.#here().text);
      this.#at += 1;
    }
    return values;
  }

  /** The word here. Quotes in the middle of one are read in different ways. */
  #here(): { readonly text: string; readonly source: string } {
    const source = this.#words.source(this.#at, this.#at + 1);
    if (this.#words.isQuoted(this.#at) && !/^"(?:[^"\\]|\\.)*"$/.test(source)) throw new NotUnderstood();
    return { text: this.#words.text(this.#at), source };
  }

  #accept(respelled: string | Refusal | undefined): string | undefined {
    if (typeof respelled !== 'object') return respelled;
    throw this.#words.invalid(this.#at - 1, respelled.refused);
  }

  #not(): string {
    return this.#negated ? '! ' : '';
  }

  #render(): readonly string[] {
    const sources = this.#textsOf('-s');
    const destinations = this.#textsOf('-d');
    const rules = sources.length * destinations.length;
    if (rules > MOST_RULES)
      throw this.#words.invalid(0, `these addresses stand for ${rules} rules, want at most ${MOST_RULES}`);
    const first = this.#renderOne(sources[0] ?? '', destinations[0] ?? '');
    if (rules > 1 && rules * first.length > MOST_TEXT)
      throw this.#words.invalid(0, `these addresses stand for ${rules} rules of ${first.length} characters each`);
    return sources.flatMap((source) => destinations.map((destination) => this.#renderOne(source, destination)));
  }

  #textsOf(option: CoreOption): readonly string[] {
    const found = this.#chunks.filter((chunk) => chunk.option === option);
    if (found.length > 1) throw new NotUnderstood();
    return found[0] !== undefined && 'texts' in found[0] ? found[0].texts : [''];
  }

  #renderOne(source: string, destination: string): string {
    const texts = this.#chunks.map((chunk, at) => {
      if (chunk.option === '-s') return source;
      if (chunk.option === '-d') return destination;
      if (chunk.option !== 'extension') return chunk.texts.join(' ');
      // Left without its name where it was written so, and nothing before could take its options.
      const implicit = chunk.extension.loading === 'protocol' && leavesPorts(this.#chunks[at - 1]);
      return chunk.extension.render(this.#scope.family, implicit);
    });
    if (typeof this.#target === 'string') texts.push(this.#target);
    else if (this.#target !== undefined) texts.push(this.#target.render(this.#scope.family));
    return texts.join(' ');
  }
}

/** Whether options of ports behind it are not taken for its own. */
function leavesPorts(chunk: Chunk | undefined): boolean {
  return chunk?.option !== 'extension' || FOREIGN_TO_PORTS.has(chunk.extension.name);
}

function only<T>(found: readonly T[]): T | undefined {
  return found.length === 1 ? found[0] : undefined;
}

function isVerdict(name: string): boolean {
  return name === 'ACCEPT' || name === 'DROP' || name === 'RETURN';
}
