import type { Subject } from '../matching/subject.ts';
import type { Rule } from '../policy.ts';
import { type Condition, compileRule } from './compile-rule.ts';
import { findNeededValues, type NeededValue } from './needed-values.ts';
import { type Key, type Place, readKey } from './place.ts';

interface NumberedRule {
  readonly index: number;
  readonly matches: Condition;
}

/** Rules by what they need in one place; none needs nothing there. Each list is ascending. */
interface Table {
  readonly place: Place;
  readonly rules: Map<Key | undefined, NumberedRule[]>;
}

/** Index of a rule that there is not: greater than any other. */
const NONE = Number.POSITIVE_INFINITY;

/**
 * Finds the first rule of a policy that matches. Most rules need something of a connection: they are looked up by what it
 * has there, rather than tried one by one, so that long policies cost little more than short ones.
 */
export class RuleFinder {
  readonly #tables: readonly Table[];
  /** Those that need nothing in particular. */
  readonly #others: NumberedRule[] = [];
  readonly #all: Condition[] = [];

  constructor(rules: readonly Rule[]) {
    const byPlace = new Map<string, Table>();
    for (const [index, rule] of rules.entries()) {
      const numbered = { index, matches: compileRule(rule) };
      this.#all.push(numbered.matches);
      const needed = findNeededValues(rule);
      if (needed === undefined) this.#others.push(numbered);
      else for (const value of needed) fileUnder(value, numbered, byPlace);
    }
    this.#tables = [...byPlace.values()];
  }

  /** Index of the first rule that matches; undefined if none does. */
  find(subject: Subject): number | undefined {
    let first = findFirst(this.#others, subject);
    for (const { place, rules } of this.#tables) {
      const found = rules.get(readKey(place, subject));
      if (found !== undefined) first = Math.min(first, findFirst(found, subject));
    }
    return first === NONE ? undefined : first;
  }

  /** Whether one rule matches, by its index; false if there is none. */
  matches(index: number, subject: Subject): boolean {
    return this.#all[index]?.(subject) ?? false;
  }
}

/** Once, though the rule may need the same value in several places. */
function fileUnder({ place, key }: NeededValue, rule: NumberedRule, tables: Map<string, Table>): void {
  const table = tables.get(place.name) ?? { place, rules: new Map<Key, NumberedRule[]>() };
  tables.set(place.name, table);
  const rules = table.rules.get(key);
  // Most lists stay as short as this literal; the first value that is pushed to an empty list makes room for 17.
  if (rules === undefined) table.rules.set(key, [rule]);
  else if (rules.at(-1) !== rule) rules.push(rule);
}

function findFirst(rules: readonly NumberedRule[], subject: Subject): number {
  for (const { index, matches } of rules) if (matches(subject)) return index;
  return NONE;
}
