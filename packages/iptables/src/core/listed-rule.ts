import type { RuleBody, RuleReader } from './parse-rule.ts';
import type { Counters, Family, Match, Rule, TableName, Target } from './rule.ts';
import { Words } from './words.ts';

/** Number of the word behind `-A CHAIN`. */
const AFTER_CHAIN = 2;

/**
 * A rule that was read in the spelling of `iptables-save`, with its text, so that comparing it costs no rendering: of
 * most rules of a large save nothing else is ever needed, so matches and target are read when somebody looks at them.
 * Plain data otherwise: a copy (`{ ...rule }`) has no text and may say something else. The text may be a part of the
 * whole save, which stays in memory as long as the rule.
 */
export class ListedRule implements Rule {
  readonly chain: string;
  declare readonly matches: readonly Match[];
  declare readonly target?: Target;
  declare readonly counters?: Counters;
  readonly #text: string;
  readonly #reader: RuleReader;
  #body: RuleBody | undefined = undefined;

  // Defined once, and on each rule, for only own properties are copied, compared and turned into JSON.
  static readonly #matches: PropertyDescriptor & ThisType<ListedRule> = {
    enumerable: true,
    get() {
      return this.#read().matches;
    },
  };
  static readonly #target: PropertyDescriptor & ThisType<ListedRule> = {
    enumerable: true,
    get() {
      return this.#read().target;
    },
  };

  /** `text` is the rule without counters: `-A CHAIN …`. It has a target, and can be read without error. */
  constructor(reader: RuleReader, text: string, chain: string, counters: Counters | undefined) {
    this.chain = chain;
    Object.defineProperty(this, 'matches', ListedRule.#matches);
    Object.defineProperty(this, 'target', ListedRule.#target);
    if (counters !== undefined) this.counters = counters;
    this.#reader = reader;
    this.#text = text;
  }

  /** The text of a rule that is listed so in `family` (default: in its own); undefined where that is not known. */
  static textOf(rule: Rule, family?: Family): string | undefined {
    return #text in rule && (family ?? rule.#reader.family) === rule.#reader.family ? rule.#text : undefined;
  }

  /** Whether the rule is known to be of that table without looking at its target. */
  static isOf(rule: Rule, table: TableName): boolean {
    return #text in rule && rule.#reader.table === table;
  }

  /** Reads what has not been read, so that chains declared later do not change it. */
  static settle(rule: Rule | undefined): void {
    if (rule !== undefined && #text in rule) rule.#read();
  }

  #read(): RuleBody {
    if (this.#body !== undefined) return this.#body;
    const words = new Words(this.#text);
    words.read(0, this.#text.length, 1);
    this.#body = this.#reader.read(words, AFTER_CHAIN);
    // What is added here would not be in the text that is compared.
    Object.freeze(this.#body.matches);
    return this.#body;
  }

  /** Node shows it as the data it is. */
  [Symbol.for('nodejs.util.inspect.custom')](): object {
    return Object.assign({}, this);
  }
}
