import type { Counters, Family, Match, Rule, Target } from './rule.ts';

/** A rule without position; what is undefined is left out. */
interface ListedRuleData {
  readonly chain: string;
  readonly matches: readonly Match[];
  readonly target?: Target | undefined;
  readonly counters?: Counters | undefined;
}

/**
 * A rule that was read in the spelling of `iptables-save`, with its text, so that comparing it costs no rendering. Plain
 * data otherwise: a copy (`{ ...rule }`) has no text and may say something else.
 */
export class ListedRule implements Rule {
  readonly chain: string;
  readonly matches: readonly Match[];
  declare readonly target?: Target;
  declare readonly counters?: Counters;
  readonly #text: string;
  readonly #family: Family;

  /** `text` is the rule without counters: `-A CHAIN …`. */
  constructor(rule: ListedRuleData, family: Family, text: string) {
    this.chain = rule.chain;
    this.matches = rule.matches;
    if (rule.target !== undefined) this.target = rule.target;
    if (rule.counters !== undefined) this.counters = rule.counters;
    this.#text = text;
    this.#family = family;
  }

  /** The text of a rule that is listed so in `family`; undefined where that is not known. */
  static textOf(rule: Rule, family: Family): string | undefined {
    return #text in rule && rule.#family === family ? rule.#text : undefined;
  }
}
