import { contains, type IpRange, parseRange } from '../matching/address-range.ts';
import { matchesPrincipal } from '../matching/field-value.ts';
import type { IpAddress } from '../matching/ip-address.ts';
import type { Subject } from '../matching/subject.ts';
import type { Rule, StringMatch } from '../policy.ts';
import { type Condition, compileRule } from './compile-rule.ts';
import { findNeededValues, type NeededValue } from './needed-values.ts';

interface NumberedRule {
  readonly index: number;
  readonly matches: Condition;
}

/** A rule that needs a value, or another one that it is filed under, too. */
interface FiledRule<Value> {
  readonly value: Value;
  readonly rule: NumberedRule;
}

/** Index of a rule that there is not: greater than any other. */
const NONE = Number.POSITIVE_INFINITY;

/**
 * Finds the first rule of a policy that matches. Most rules name those that they are for: these are looked up by what the
 * connection has, or their values compared in one flat loop, rather than rule by rule, so that long policies cost little
 * more than short ones. Each list of rules is ascending.
 */
export class RuleFinder {
  /** None for plain text, which has no principal. */
  readonly #byPrincipal = new Map<string | undefined, NumberedRule[]>();
  readonly #byNamespace = new Map<string, NumberedRule[]>();
  readonly #byPattern: FiledRule<StringMatch>[] = [];
  readonly #bySource: FiledRule<IpRange>[] = [];
  readonly #byDestination: FiledRule<IpRange>[] = [];
  /** Those that need nothing in particular. */
  readonly #others: NumberedRule[] = [];
  readonly #all: Condition[] = [];

  constructor(rules: readonly Rule[]) {
    for (const [index, rule] of rules.entries()) {
      const numbered = { index, matches: compileRule(rule) };
      this.#all.push(numbered.matches);
      const needed = findNeededValues(rule);
      if (needed === undefined) this.#others.push(numbered);
      else for (const value of needed) this.#file(value, numbered);
    }
  }

  /** Index of the first rule that matches; undefined if none does. */
  find(subject: Subject): number | undefined {
    const first = Math.min(
      findFirst(this.#byPrincipal.get(subject.principal), subject),
      findFirst(this.#byNamespace.get(subject.namespace), subject),
      findByPattern(this.#byPattern, subject),
      findByRange(this.#bySource, subject.sourceIp, subject),
      findByRange(this.#byDestination, subject.destinationIp, subject),
      findFirst(this.#others, subject),
    );
    return first === NONE ? undefined : first;
  }

  /** Whether one rule matches, by its index; false if there is none. */
  matches(index: number, subject: Subject): boolean {
    return this.#all[index]?.(subject) ?? false;
  }

  #file(needed: NeededValue, rule: NumberedRule): void {
    switch (needed.kind) {
      case 'principal':
        // Stryker disable next-line all: among the patterns it would be found, too, but more slowly
        if (needed.pattern.kind === 'exact') fileUnder(needed.pattern.value, rule, this.#byPrincipal);
        else this.#byPattern.push({ value: needed.pattern, rule });
        break;
      case 'namespace':
        fileUnder(needed.namespace, rule, this.#byNamespace);
        break;
      case 'sourceIp':
      case 'destinationIp': {
        const value = parseRange(needed.range);
        const list = needed.kind === 'sourceIp' ? this.#bySource : this.#byDestination;
        if (value !== undefined) list.push({ value, rule });
      }
    }
  }
}

/** Once, though the rule may need the same value in several places. */
function fileUnder<Key>(key: Key, rule: NumberedRule, filed: Map<Key, NumberedRule[]>): void {
  const rules = filed.get(key) ?? [];
  if (rules.at(-1) !== rule) rules.push(rule);
  filed.set(key, rules);
}

function findFirst(rules: readonly NumberedRule[] | undefined, subject: Subject): number {
  if (rules !== undefined) for (const { index, matches } of rules) if (matches(subject)) return index;
  return NONE;
}

function findByPattern(filed: readonly FiledRule<StringMatch>[], subject: Subject): number {
  for (const { value, rule } of filed) if (matchesPrincipal(value, subject) && rule.matches(subject)) return rule.index;
  return NONE;
}

function findByRange(filed: readonly FiledRule<IpRange>[], ip: IpAddress, subject: Subject): number {
  for (const { value, rule } of filed) if (contains(value, ip) && rule.matches(subject)) return rule.index;
  return NONE;
}
