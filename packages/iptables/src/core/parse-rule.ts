import { IptablesError } from '../errors.ts';
import { parseAddress } from './address.ts';
import { FOREIGN_TO_PORTS } from './foreign-to-ports.ts';
import { coreMatchOf, extensionNamed, listMatch, listRank, renderMatch } from './matches/match-kinds.ts';
import { listProtocol } from './protocol-names.ts';
import type { ChainTarget, Family, Match, TableName, Target } from './rule.ts';
import { respellRule } from './spelling/respell-rule.ts';
import { listTarget, renderTarget, targetNamed } from './targets/target-kinds.ts';
import { EXCLAMATION, type Option, Words } from './words.ts';

/** Rules after which a cache of one table is emptied: saves repeat themselves, a hostile text need not fill memory. */
const MOST_CACHED = 50_000;

/** What a rule does, without the chain it is in. */
export interface RuleBody {
  readonly matches: readonly Match[];
  readonly target?: Target;
  /** Whether it is spelled as `iptables-save` spells it, in every word. */
  readonly listed: boolean;
  /** Further rules that the same words stand for: a list of addresses is a rule for each. */
  readonly more?: readonly RuleBody[];
}

/** A match with what is known of it. */
export interface KnownMatch {
  readonly match: Match;
  /** Place in a listing, as of `listRank`. */
  readonly rank: number;
  /** Spelled as listed. */
  readonly listed: boolean;
}

interface KnownJump {
  readonly target: ChainTarget;
  readonly listed: boolean;
}

/** A target with what is known of it. */
export interface KnownTarget {
  readonly target: Target;
  readonly listed: boolean;
}

const S = 115;
const D = 100;
const I = 105;
const O = 111;
const P = 112;
const M = 109;
const J = 106;
const G = 103;
const F = 102;

/**
 * Reads the rules of one table. What is spelled as listed gives the same words back when it is rendered; other spellings
 * of the same become the data they mean, and what is unknown becomes a raw match or target. Equal words give the same
 * object.
 */
export class RuleReader {
  readonly family: Family;
  readonly table: TableName;
  /** Chains of the table, with the jump there: `-j NAME` is one when NAME is among them, else an extension. */
  readonly #chains = new Map<string, KnownJump>();
  readonly #matches = new Map<string, KnownMatch>();
  readonly #targets = new Map<string, KnownTarget>();
  readonly #found: Match[] = [];
  /** Raw matches and targets of the rule that is read, of which it is not known whether they stay so. */
  readonly #unsettled: (() => void)[] = [];

  constructor(family: Family, table: TableName) {
    this.family = family;
    this.table = table;
  }

  /** From here on `-j name` is a jump. The name must be one word. */
  declare(name: string): void {
    this.#chains.set(name, { target: { target: 'jump', chain: name }, listed: true });
  }

  /** Whether the name was declared. */
  declares(name: string): boolean {
    return this.#chains.has(name);
  }

  /**
   * Reads the words from number `from` to the last: those after `-A CHAIN`. Throws `IPTABLES_SAVE_INVALID` with its place
   * for words that are no rule, addresses of the other family, and names that only a machine could resolve.
   */
  read(words: Words, from: number): RuleBody {
    this.#unsettled.length = 0;
    const body = this.#readAsListed(words, from);
    if (this.#unsettled.length === 0) return body;
    const settle = this.#unsettled.slice();
    const texts = respellRule(words, from, {
      family: this.family,
      table: this.table,
      isChain: (name) => this.#chains.has(name),
    });
    if (texts !== undefined) return this.#readRespelled(texts, words, from);
    for (const keep of settle) keep();
    return body;
  }

  #readRespelled(texts: readonly string[], words: Words, from: number): RuleBody {
    const bodies = texts.map((text) => {
      const respelled = new Words(text);
      try {
        respelled.read(0, text.length, 1);
        return { ...this.#readAsListed(respelled, 0), listed: false };
      } catch (error) {
        // Its place is one in words that nobody wrote.
        if (error instanceof IptablesError) throw words.invalid(from, error.message.replace(/^line.*?: /, ''));
        throw error;
      }
    });
    const [first = { matches: [], listed: false }, ...more] = bodies;
    return more.length === 0 ? first : { ...first, more };
  }

  #readAsListed(words: Words, from: number): RuleBody {
    // Copied when complete: a list that grew holds on to room for many more.
    const matches = this.#found;
    matches.length = 0;
    let protocol: string | undefined;
    let ports = false;
    let rank = 0;
    let listed = true;
    for (let at = from; at < words.count; ) {
      const option = words.letter(at);
      if (option === J || option === G) {
        if (at + 1 === words.count) throw words.invalid(at + 1, 'want a target');
        const known = option === J ? this.#target(words, at) : parseGoto(words, at);
        if (known !== undefined)
          return { matches: matches.slice(), target: known.target, listed: listed && known.listed };
        // Options behind a goto: no program writes that, and a raw target would be written with -j.
        matches.push({ match: 'raw', text: words.source(at, words.count) });
        this.#unsettled.push(() => undefined);
        return { matches: matches.slice(), listed };
      }
      const end = endOfChunk(words, at);
      const known = this.#match(words, at, end, protocol);
      const { match } = known;
      if (match.match === 'protocol') ({ protocol } = match);
      if (match.match === 'tcp' || match.match === 'udp') {
        // The tools would give these ports to the match that is there already.
        if (match.implicit && ports) this.#unsettled.push(() => undefined);
        ports = true;
      }
      listed &&= known.listed && known.rank >= rank;
      ({ rank } = known);
      matches.push(match);
      at = end;
    }
    return { matches: matches.slice(), listed };
  }

  #match(words: Words, from: number, to: number, protocol: string | undefined): KnownMatch {
    const seldom = isSeldomRepeated(words, from);
    const source = words.source(from, to);
    // Words without -m mean what the protocol makes of them.
    const named = words.letter(words.letter(from) === EXCLAMATION ? from + 1 : from) !== 0;
    const key = named ? source : `${protocol} ${source}`;
    const cached = seldom ? undefined : this.#matches.get(key);
    if (cached !== undefined) return cached;
    const parsed = parseMatch(words, from, to, protocol);
    if (parsed?.match === 'source' || parsed?.match === 'destination')
      refuseForeign(parsed.address, this.family, words, to - 1);
    const match: Match = parsed !== undefined && isMatchText(parsed, source) ? parsed : { match: 'raw', text: source };
    const known = { match, rank: listRank(match), listed: listMatch(match, this.family) === match };
    if (match.match === 'raw') {
      this.#unsettled.push(() => seldom || remember(this.#matches, key, known));
      return known;
    }
    return seldom ? known : remember(this.#matches, key, known);
  }

  #target(words: Words, at: number): KnownTarget {
    const bare = words.count - at === 2 && !words.isQuoted(at + 1);
    const jump = bare ? this.#chains.get(words.text(at + 1)) : undefined;
    if (jump !== undefined) return jump;
    const source = words.source(at, words.count);
    const seldom = words.is(at + 1, 'DNAT');
    const cached = seldom ? undefined : this.#targets.get(source);
    if (cached !== undefined) return cached;
    const parsed = this.#parseTarget(words, at + 1);
    const address = parsed && addressOf(parsed);
    if (address !== undefined) refuseForeign(address, this.family, words, at + 1);
    const target: Target =
      parsed !== undefined && isTargetText(parsed, source)
        ? parsed
        : { target: 'raw', text: words.source(at + 1, words.count) };
    const known = { target, listed: listTarget(target, this.family) === target };
    if (target.target === 'raw') {
      this.#unsettled.push(() => seldom || remember(this.#targets, source, known));
      return known;
    }
    return seldom ? known : remember(this.#targets, source, known);
  }

  #parseTarget(words: Words, at: number): Target | undefined {
    const name = words.text(at);
    const bare = at + 1 === words.count;
    if (bare && (name === 'ACCEPT' || name === 'DROP' || name === 'RETURN')) return { target: name };
    const options = words.options(at + 1, words.count);
    return options && targetNamed(name, this.table)?.parse(options);
  }
}

/** An address that the target puts into packets. */
function addressOf(target: Target): string | undefined {
  if (target.target === 'DNAT' || target.target === 'SNAT') return target.address;
  return target.target === 'TPROXY' ? target.onIp : undefined;
}

/** `at` is the word with the address, or one before it. */
function refuseForeign(address: string, family: Family, words: Words, at: number): void {
  if (address.includes(':') === (family === 'ipv6')) return;
  const other = family === 'ipv4' ? 'ipv6' : 'ipv4';
  if (parseAddress(address, other) === undefined) return;
  let place = at;
  while (place + 1 < words.count && !words.text(place).includes(address)) place += 1;
  const tool = family === 'ipv4' ? 'iptables-save' : 'ip6tables-save';
  throw words.invalid(place, `${JSON.stringify(address)} is an address of ${other}: want the output of ${tool} alone`);
}

function parseGoto(words: Words, at: number): KnownTarget | undefined {
  const target: Target = { target: 'goto', chain: words.text(at + 1) };
  const fits = at + 2 === words.count && isTargetText(target, words.source(at, words.count));
  return fits ? { target, listed: true } : undefined;
}

function remember<T>(cache: Map<string, T>, key: string, known: T): T {
  if (cache.size >= MOST_CACHED) cache.clear();
  cache.set(key, known);
  return known;
}

/** A value that cannot even be rendered is not one we understand: it stays verbatim. */
function isMatchText(match: Match, source: string): boolean {
  try {
    return renderMatch(match) === source;
  } catch {
    return false;
  }
}

function isTargetText(target: Target, source: string): boolean {
  try {
    return renderTarget(target) === source;
  } catch {
    return false;
  }
}

function isCore(option: number): boolean {
  return option === S || option === D || option === I || option === O || option === P;
}

/** Addresses and comments are not worth the memory of a cache. */
function isSeldomRepeated(words: Words, at: number): boolean {
  const letter = words.letter(at);
  return letter === S || letter === D || (letter === M && words.is(at + 1, 'comment'));
}

/** Whether a chunk begins with that word. */
function isStarter(option: number): boolean {
  return isCore(option) || option === M || option === J || option === G || option === F;
}

/** A chunk is one core option with its value, or `-m NAME` with all its options. */
function endOfChunk(words: Words, start: number): number {
  const option = words.letter(start) === EXCLAMATION ? start + 1 : start;
  const letter = words.letter(option);
  if (letter === F) return option + 1;
  if (isCore(letter)) return Math.min(option + 2, words.count);
  // The value of `--comment` is free text: it may look like an option without being quoted.
  if (letter === M && words.is(option + 1, 'comment')) return Math.min(option + 4, words.count);
  // Ports written without -m may stand behind a match that has no such options.
  const alone = letter === M && FOREIGN_TO_PORTS.has(words.text(option + 1));
  let at = option + 1;
  while (at < words.count) {
    const next = words.letter(at) === EXCLAMATION ? at + 1 : at;
    if (isStarter(words.letter(next)) || (alone && isPortOption(words, next))) break;
    at += 1;
  }
  return Math.min(at, words.count);
}

function isPortOption(words: Words, at: number): boolean {
  return words.is(at, '--dport') || words.is(at, '--sport') || words.is(at, '--tcp-flags');
}

function parseMatch(words: Words, from: number, to: number, protocol: string | undefined): Match | undefined {
  const negated = words.letter(from) === EXCLAMATION;
  const at = negated ? from + 1 : from;
  const letter = words.letter(at);
  if (isCore(letter)) {
    if (to !== at + 2) return undefined;
    const option: Option = { name: words.text(at), values: [words.text(at + 1)], negated };
    return coreMatchOf(option.name)?.parse([option], option.name);
  }
  return letter === M ? parseExtension(words, at + 1, to) : parseImplicit(words.options(from, to), protocol);
}

function parseExtension(words: Words, at: number, to: number): Match | undefined {
  const name = words.text(at);
  const options = words.options(at + 1, to);
  return options && extensionNamed(name)?.parse(options, name);
}

/** Options that stand without `-m`, which is loaded by the protocol. */
function parseImplicit(options: readonly Option[] | undefined, protocol: string | undefined): Match | undefined {
  const name = protocol && listProtocol(protocol);
  if (options === undefined || (name !== 'tcp' && name !== 'udp')) return undefined;
  const match = extensionNamed(name)?.parse(options, name);
  return match && (match.match === 'tcp' || match.match === 'udp') ? { ...match, implicit: true } : undefined;
}
