import { assertFamily } from './address.ts';
import { isTableName, TABLE_NAMES } from './builtin-chains.ts';
import { ListedRule } from './listed-rule.ts';
import { RuleReader } from './parse-rule.ts';
import { isWord } from './render-words.ts';
import type { Chain, Counters, Family, Rule, RuleSet, Table, TableName } from './rule.ts';
import { buildTable } from './table.ts';
import { UsualRules } from './usual-rules.ts';
import { invalidSave, Words } from './words.ts';

/** `iptables-restore` has room for 10 KiB; nobody writes more than a few times that. */
const LONGEST_LINE = 65_536;
/** Characters of a wrong line that a message shows. */
const SHOWN = 40;
/** Behind `-A `. */
const CHAIN_AT = 3;
const BLANK = 32;
const DASH = 45;
const COLON = 58;
const HASH = 35;
const BRACKET = 91;
const CARRIAGE_RETURN = 13;

/** Nearly all chains of a large save. */
const USUAL_CHAIN = /:(\w[\w.-]*) - \[0:0\](?=\n)/y;

interface OpenTable {
  readonly name: TableName;
  readonly chains: Chain[];
  readonly rules: Rule[];
  readonly reader: RuleReader;
  /** Number of rules that no later declaration can change. */
  settled: number;
}

/**
 * Reads what `iptables-save` or `ip6tables-save` printed (with or without counters), or a restore payload in the form
 * of `renderRestore` (`-A`, `-I`, `-N`, `-P`), also if it is written by hand: `--syn`, `--limit 3/minute`, long options
 * and what else the tools take become the data they mean, and a list of addresses a rule for each. What a save spells as
 * listed is rendered as the same words; unknown matches and targets are kept verbatim (and compared so, see
 * `findRawWords`); equal ones may be one object. Rules may keep the text in memory, and read their matches and target
 * from it when these are looked at. Lines may end in CR LF. Counters above 2^53 lose their last digits.
 * Throws `IPTABLES_SAVE_INVALID` with `line` and `column` for anything that is no such text, for a table or chain that is
 * there twice, an address of the other family, and names of services, users and hosts, which each machine resolves as it
 * likes; `IPTABLES_RULE_INVALID` for a family that does not exist.
 */
export function parseSave(text: string, family: Family): RuleSet {
  assertFamily(family);
  return new SaveReader(text, family).read();
}

class SaveReader {
  readonly #family: Family;
  readonly #text: string;
  readonly #words: Words;
  readonly #usualRules: UsualRules;
  readonly #tables: Table[] = [];
  #table: OpenTable | undefined;
  /** Of the last usual rule. */
  #chain = '';

  constructor(text: string, family: Family) {
    this.#text = text;
    this.#words = new Words(text);
    this.#usualRules = new UsualRules(text, family);
    this.#family = family;
  }

  read(): RuleSet {
    const text = this.#text;
    let number = 0;
    let start = 0;
    for (; start < text.length; number++) {
      const end = endOfLine(text, start);
      if (end - start > LONGEST_LINE)
        throw invalidSave(number + 1, LONGEST_LINE + 1, `line longer than ${LONGEST_LINE} characters`);
      const returned = end > start && text.charCodeAt(end - 1) === CARRIAGE_RETURN;
      this.#readLine(start, returned ? end - 1 : end, number + 1);
      start = end + 1;
    }
    if (this.#table === undefined) return { family: this.#family, tables: this.#tables };
    throw invalidSave(number + 1, 1, `table ${this.#table.name} has no COMMIT: is the text cut off?`);
  }

  #readLine(start: number, end: number, number: number): void {
    const first = start === end ? HASH : this.#text.charCodeAt(start);
    if (first === HASH) return;
    const table = this.#table;
    if (table !== undefined && this.#readUsualLine(table, first, start)) return;
    const words = this.#words;
    words.read(start, end, number);
    if (words.count === 0) return;
    if (table === undefined) {
      this.#table = openTable(words, this.#family);
      this.#refuseTwice(this.#table.name);
    } else if (first === COLON) {
      this.#declare(table, parseChain(words), 0);
    } else if (words.count === 1 && words.is(0, 'COMMIT')) {
      this.#tables.push(buildTable(table.name, table.chains, table.rules));
      this.#table = undefined;
    } else {
      this.#readCommand(table, first === BRACKET ? parseCounters(words.text(0)) : undefined);
    }
  }

  /** The tools would empty the first one again. */
  #refuseTwice(table: TableName): void {
    if (!this.#tables.some(({ name }) => name === table)) return;
    throw this.#words.invalid(0, `table ${table} is there twice: want one save, with each table once`);
  }

  /** Returns false, having done nothing, where the line is not a usual one. */
  #readUsualLine(table: OpenTable, first: number, start: number): boolean {
    if (first === COLON) return this.#readUsualChain(table, start);
    return (first === DASH || first === BRACKET) && this.#readUsualRule(table, start);
  }

  #readUsualRule(table: OpenTable, start: number): boolean {
    const line = this.#usualRules.find(start);
    if (line === undefined) return false;
    const counted = line.charCodeAt(0) === BRACKET;
    const text = counted ? line.slice(line.indexOf('-')) : line;
    const counters = counted ? parseCounters(line.slice(0, line.indexOf(' '))) : undefined;
    // A save has the rules of a chain behind each other: they share its name.
    const last = this.#chain;
    if (text.charCodeAt(CHAIN_AT + last.length) !== BLANK || !text.startsWith(last, CHAIN_AT))
      this.#chain = text.slice(CHAIN_AT, text.indexOf(' ', CHAIN_AT));
    table.rules.push(new ListedRule(table.reader, text, this.#chain, counters));
    return true;
  }

  /** Returns false, having done nothing, where the chain has a policy or packets, or is declared already. */
  #readUsualChain(table: OpenTable, start: number): boolean {
    USUAL_CHAIN.lastIndex = start;
    const name = USUAL_CHAIN.exec(this.#text)?.[1];
    if (name === undefined || table.reader.declares(name)) return false;
    declareChain(table, { name, counters: { packets: 0, bytes: 0 } });
    return true;
  }

  #readCommand(table: OpenTable, counters: Counters | undefined): void {
    const words = this.#words;
    const at = counters === undefined ? 0 : 1;
    if (words.is(at, '-A')) this.#readRule(table, at + 1, counters);
    else if (words.is(at, '-I')) this.#readInserted(table, at + 1, counters);
    else if (words.is(at, '-N') && at === 0) this.#declare(table, { name: this.#newChain() }, 1);
    else if (words.is(at, '-P') && at === 0) this.#readPolicy(table, this.#chainOf(1));
    else
      throw words.invalid(at, `want a rule, such as -A INPUT -j ACCEPT, not ${shown(words.source(at, words.count))}`);
  }

  /** `at` is the word with the chain. */
  #readRule(table: OpenTable, at: number, counters: Counters | undefined): void {
    const chain = this.#chainOf(at);
    const words = this.#words;
    const body = table.reader.read(words, at + 1);
    if (body.listed && body.target !== undefined)
      table.rules.push(new ListedRule(table.reader, words.source(at - 1, words.count), chain, counters));
    else
      for (const { matches, target } of [body, ...(body.more ?? [])])
        table.rules.push({ chain, matches, ...(target && { target }), ...(counters && { counters }) });
  }

  #readInserted(table: OpenTable, at: number, counters: Counters | undefined): void {
    const chain = this.#chainOf(at);
    const number = this.#words.text(at + 1);
    const numbered = /^[1-9]\d{0,8}$/.test(number);
    const body = table.reader.read(this.#words, numbered ? at + 2 : at + 1);
    const position = numbered ? Number(number) : 1;
    // The tools insert all of them there, one after the other.
    for (const { matches, target } of [body, ...(body.more ?? [])])
      table.rules.push({ chain, matches, ...(target && { target }), position, ...(counters && { counters }) });
  }

  /** `at` is the word with the name. One of the variants refuses a second declaration, the other empties the chain. */
  #declare(table: OpenTable, chain: Chain, at: number): void {
    if (table.reader.declares(chain.name)) throw this.#words.invalid(at, `chain ${chain.name} is declared twice`);
    declareChain(table, chain);
  }

  #chainOf(at: number): string {
    const name = this.#words.text(at);
    if (this.#words.isQuoted(at) || !isWord(name)) throw this.#words.invalid(at, 'want a chain');
    return name;
  }

  #readPolicy(table: OpenTable, name: string): void {
    const policy = this.#words.text(2);
    if (policy !== 'ACCEPT' && policy !== 'DROP') throw this.#words.invalid(2, 'want the policy ACCEPT or DROP');
    if (this.#words.count > 3) throw this.#words.invalid(3, 'want nothing behind a policy');
    const at = table.chains.findIndex((chain) => chain.name === name);
    if (at === -1) declareChain(table, { name, policy });
    else table.chains[at] = { ...table.chains[at], name, policy };
  }

  #newChain(): string {
    const words = this.#words;
    const name = words.text(1);
    if (words.isQuoted(1) || !isWord(name)) throw words.invalid(1, 'want a chain');
    if (words.count > 2) throw words.invalid(2, 'want nothing behind a chain');
    return name;
  }
}

function endOfLine(text: string, start: number): number {
  const end = text.indexOf('\n', start);
  return end === -1 ? text.length : end;
}

/** Reads `*nat`, or `* nat` as payloads have it. */
function openTable(words: Words, family: Family): OpenTable {
  const apart = words.is(0, '*') ? 1 : 0;
  const name = apart === 1 ? words.text(1) : words.text(0).slice(1);
  if (words.count !== apart + 1 || !words.source(0, 1).startsWith('*'))
    throw words.invalid(0, `want a table, such as *nat, not ${shown(words.source(0, words.count))}`);
  if (!isTableName(name)) throw words.invalid(apart, `${shown(name)} is no table: want ${TABLE_NAMES.join(', ')}`);
  return { name, chains: [], rules: [], reader: new RuleReader(family, name), settled: 0 };
}

/** Reads `:INPUT ACCEPT [12:3456]`, the counters optional. */
function parseChain(words: Words): Chain {
  const name = words.text(0).slice(1);
  const policy = words.text(1);
  if (!isWord(name)) throw words.invalid(0, `want a chain, such as :INPUT ACCEPT [0:0]`);
  if (policy !== 'ACCEPT' && policy !== 'DROP' && policy !== '-')
    throw words.invalid(1, `want the policy ACCEPT or DROP, or - for none, not ${shown(policy)}`);
  const counters = words.count > 2 ? parseCounters(words.text(2)) : undefined;
  if (words.count > 3) throw words.invalid(3, 'want nothing behind the counters of a chain');
  if (words.count > 2 && counters === undefined) throw words.invalid(2, 'want packets and bytes, such as [0:0]');
  return { name, ...(policy === '-' ? {} : { policy }), ...(counters && { counters }) };
}

function declareChain(table: OpenTable, chain: Chain): void {
  // What a rule leads to is up to the chains declared before it.
  for (; table.settled < table.rules.length; table.settled++) ListedRule.settle(table.rules[table.settled]);
  table.chains.push(chain);
  table.reader.declare(chain.name);
}

/** Reads `[12:3456]`; undefined for anything else. */
function parseCounters(text: string): Counters | undefined {
  const found = /^\[(\d+):(\d+)\]$/.exec(text);
  return found === null ? undefined : { packets: Number(found[1]), bytes: Number(found[2]) };
}

function shown(text: string): string {
  return JSON.stringify(text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text);
}
