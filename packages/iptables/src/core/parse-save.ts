import { isTableName, TABLE_NAMES } from './builtin-chains.ts';
import { rememberListedText } from './listing.ts';
import { RuleReader } from './parse-rule.ts';
import type { Chain, Counters, Family, Rule, RuleSet, Table, TableName } from './rule.ts';
import { buildTable } from './table.ts';
import { invalidSave, Words } from './words.ts';

/** `iptables-restore` has room for 10 KiB; nobody writes more than a few times that. */
const LONGEST_LINE = 65_536;
/** Characters of a wrong line that a message shows. */
const SHOWN = 40;
const COLON = 58;
const HASH = 35;
const BRACKET = 91;
const CARRIAGE_RETURN = 13;

interface OpenTable {
  readonly name: TableName;
  readonly chains: Chain[];
  readonly names: Set<string>;
  readonly rules: Rule[];
  readonly reader: RuleReader;
}

/**
 * Reads what `iptables-save` or `ip6tables-save` printed (with or without counters), or a restore payload in the form
 * of `renderRestore` (`-A`, `-I`, `-N`, `-P`). Unknown matches and targets are kept verbatim, so that rendering gives
 * the same words back; equal ones may be one object. Lines may end in CR LF. Counters above 2^53 lose their last digits.
 * Throws `IPTABLES_SAVE_INVALID` with `line` and `column` for anything that is no such text.
 */
export function parseSave(text: string, family: Family): RuleSet {
  return new SaveReader(family).read(text);
}

class SaveReader {
  readonly #family: Family;
  readonly #words = new Words();
  readonly #tables: Table[] = [];
  #table: OpenTable | undefined;

  constructor(family: Family) {
    this.#family = family;
  }

  read(text: string): RuleSet {
    let number = 0;
    let start = 0;
    for (; start < text.length; number++) {
      const end = endOfLine(text, start);
      if (end - start > LONGEST_LINE)
        throw invalidSave(number + 1, LONGEST_LINE + 1, `line longer than ${LONGEST_LINE} characters`);
      const returned = end > start && text.charCodeAt(end - 1) === CARRIAGE_RETURN;
      this.#readLine(text.slice(start, returned ? end - 1 : end), number + 1);
      start = end + 1;
    }
    if (this.#table === undefined) return { family: this.#family, tables: this.#tables };
    throw invalidSave(number + 1, 1, `table ${this.#table.name} has no COMMIT: is the text cut off?`);
  }

  #readLine(line: string, number: number): void {
    const first = line.charCodeAt(0);
    if (first === HASH || (!(first > 32) && line.trim() === '')) return;
    const table = this.#table;
    if (table === undefined) {
      this.#table = openTable(line, number, this.#family);
    } else if (first === COLON) {
      declareChain(table, parseChain(line, number));
    } else if (line === 'COMMIT') {
      this.#tables.push(buildTable(table.name, table.chains, table.rules));
      this.#table = undefined;
    } else {
      this.#readCommand(line, number, table);
    }
  }

  #readCommand(line: string, number: number, table: OpenTable): void {
    const words = this.#words;
    words.read(line, number);
    const counters = line.charCodeAt(0) === BRACKET ? parseCounters(words.text(0)) : undefined;
    const at = counters === undefined ? 0 : 1;
    const chain = words.text(at + 1);
    if (words.is(at, '-A')) this.#readRule(table, { chain, counters, at: at + 2 });
    else if (words.is(at, '-I')) this.#readRule(table, { chain, counters, at: at + 2, inserted: true });
    else if (words.is(at, '-N') && at === 0) declareChain(table, { name: this.#onlyWord(at + 1, 'a chain') });
    else if (words.is(at, '-P') && at === 0) this.#readPolicy(table, chain);
    else throw words.invalid(at, `want a rule, such as -A INPUT -j ACCEPT, not ${shown(line)}`);
  }

  #readRule(table: OpenTable, place: RulePlace): void {
    const words = this.#words;
    const { chain, counters, inserted } = place;
    if (chain === '') throw words.invalid(place.at - 1, 'want a chain');
    const numbered = inserted && /^[1-9]\d{0,8}$/.test(words.text(place.at));
    const from = numbered ? place.at + 1 : place.at;
    const { matches, target, listed } = table.reader.read(words, from);
    const rule: Rule = {
      chain,
      matches,
      ...(target && { target }),
      ...(inserted && { position: numbered ? Number(words.text(place.at)) : 1 }),
      ...(counters && { counters }),
    };
    if (listed && !inserted) rememberListedText(rule, this.#family, words.source(place.at - 2, words.count));
    table.rules.push(rule);
  }

  #readPolicy(table: OpenTable, name: string): void {
    const policy = this.#words.text(2);
    if (policy !== 'ACCEPT' && policy !== 'DROP') throw this.#words.invalid(2, 'want the policy ACCEPT or DROP');
    if (this.#words.count > 3) throw this.#words.invalid(3, 'want nothing behind a policy');
    declareChain(table, { name, policy });
  }

  #onlyWord(index: number, what: string): string {
    if (this.#words.count <= index) throw this.#words.invalid(index, `want ${what}`);
    if (this.#words.count > index + 1) throw this.#words.invalid(index + 1, `want nothing behind ${what}`);
    return this.#words.text(index);
  }
}

interface RulePlace {
  readonly chain: string;
  readonly counters: Counters | undefined;
  /** Word behind the chain. */
  readonly at: number;
  readonly inserted?: true;
}

function endOfLine(text: string, start: number): number {
  const end = text.indexOf('\n', start);
  return end === -1 ? text.length : end;
}

function openTable(line: string, number: number, family: Family): OpenTable {
  const name = /^\* ?(\S+)\s*$/.exec(line)?.[1];
  if (name === undefined) throw invalidSave(number, 1, `want a table, such as *nat, not ${shown(line)}`);
  if (!isTableName(name))
    throw invalidSave(number, line.indexOf(name) + 1, `${shown(name)} is no table: want ${TABLE_NAMES.join(', ')}`);
  const names = new Set<string>();
  return { name, chains: [], names, rules: [], reader: new RuleReader(family, name, names) };
}

/** Reads `:INPUT ACCEPT [12:3456]`, the counters optional. */
function parseChain(line: string, number: number): Chain {
  const found = /^:(\S+)[ \t]+(\S+)(?:[ \t]+(\S+))?[ \t]*$/d.exec(line);
  if (found === null) throw invalidSave(number, 1, `want a chain, such as :INPUT ACCEPT [0:0], not ${shown(line)}`);
  const [, name = '', policy = '', brackets] = found;
  const at = (group: number): number => (found.indices?.[group]?.[0] ?? 0) + 1;
  if (/[\p{Cc}"']/u.test(name)) throw invalidSave(number, at(1), `${shown(name)} is no name of a chain`);
  if (policy !== 'ACCEPT' && policy !== 'DROP' && policy !== '-')
    throw invalidSave(number, at(2), `${shown(policy)}: want the policy ACCEPT or DROP, or - for none`);
  const counters = brackets === undefined ? undefined : parseCounters(brackets);
  if (brackets !== undefined && counters === undefined)
    throw invalidSave(number, at(3), `${shown(brackets)}: want packets and bytes, such as [0:0]`);
  return { name, ...(policy === '-' ? {} : { policy }), ...(counters && { counters }) };
}

function declareChain(table: OpenTable, chain: Chain): void {
  table.chains.push(chain);
  table.names.add(chain.name);
}

/** Reads `[12:3456]`; undefined for anything else. */
function parseCounters(text: string): Counters | undefined {
  const found = /^\[(\d+):(\d+)\]$/.exec(text);
  return found === null ? undefined : { packets: Number(found[1]), bytes: Number(found[2]) };
}

function shown(text: string): string {
  return JSON.stringify(text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text);
}
