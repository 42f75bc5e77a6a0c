import type { Subject } from '../matching/subject.ts';
import type { Rule } from '../policy.ts';
import { type Condition, compileRule } from './compile-rule.ts';
import { findNeededPrincipals } from './needed-principals.ts';

interface NumberedRule {
  readonly index: number;
  readonly matches: Condition;
}

/**
 * Finds the first rule of a policy that matches. Most rules name the principals that they are for; these are looked up
 * by the principal of the connection rather than tried one by one, so that long policies cost hardly more than short ones.
 */
export class RuleFinder {
  /** Rules that need one of certain principals, by each of these; ascending. None for plain text, which has no principal. */
  readonly #byPrincipal = new Map<string | undefined, NumberedRule[]>();
  readonly #all: Condition[] = [];
  /** All others, ascending. */
  readonly #others: NumberedRule[] = [];

  constructor(rules: readonly Rule[]) {
    for (const [index, rule] of rules.entries()) {
      const numbered = { index, matches: compileRule(rule) };
      this.#all.push(numbered.matches);
      const principals = findNeededPrincipals(rule);
      if (principals === undefined) this.#others.push(numbered);
      else for (const principal of principals) this.#file(principal, numbered);
    }
  }

  /** Index of the first rule that matches; undefined if none does. */
  find(subject: Subject): number | undefined {
    const named = findFirst(this.#byPrincipal.get(subject.principal) ?? [], subject);
    const other = findFirst(this.#others, subject);
    if (named === undefined || other === undefined) return named ?? other;
    return Math.min(named, other);
  }

  /** Whether one rule matches, by its index; false if there is none. */
  matches(index: number, subject: Subject): boolean {
    return this.#all[index]?.(subject) ?? false;
  }

  #file(principal: string, rule: NumberedRule): void {
    const rules = this.#byPrincipal.get(principal) ?? [];
    rules.push(rule);
    this.#byPrincipal.set(principal, rules);
  }
}

function findFirst(rules: readonly NumberedRule[], subject: Subject): number | undefined {
  for (const { index, matches } of rules) if (matches(subject)) return index;
  return undefined;
}
