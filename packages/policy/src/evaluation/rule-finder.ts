import type { Subject } from '../matching/subject.ts';
import type { Rule, StringMatch } from '../policy.ts';
import { compileRule } from './compile-rule.ts';
import type { Condition } from './compile-values.ts';

interface NumberedRule {
  readonly index: number;
  readonly matches: Condition;
}

/**
 * Finds the first rule of a policy that matches. Most rules name the principals that they are for; these are looked up
 * by the principal of the connection rather than tried one by one, so that long policies cost hardly more than short ones.
 */
export class RuleFinder {
  /** Rules that need one of certain principals, by each of these; ascending. */
  readonly #byPrincipal = new Map<string, NumberedRule[]>();
  /** All others, ascending. */
  readonly #others: NumberedRule[] = [];

  constructor(rules: readonly Rule[]) {
    for (const [index, rule] of rules.entries()) {
      const numbered = { index, matches: compileRule(rule) };
      const principals = findNeededPrincipals(rule);
      if (principals === undefined) this.#others.push(numbered);
      else for (const principal of principals) this.#file(principal, numbered);
    }
  }

  /** Index of the first rule that matches; undefined if none does. */
  find(subject: Subject): number | undefined {
    const other = this.#others.find(({ matches }) => matches(subject))?.index;
    if (subject.principal === undefined) return other;
    const named = this.#byPrincipal.get(subject.principal)?.find(({ matches }) => matches(subject))?.index;
    if (named === undefined || other === undefined) return named ?? other;
    return Math.min(named, other);
  }

  #file(principal: string, rule: NumberedRule): void {
    const rules = this.#byPrincipal.get(principal) ?? [];
    rules.push(rule);
    this.#byPrincipal.set(principal, rules);
  }
}

/** Principals without one of which a rule cannot match, as one of its clauses asks for them; undefined if none does. */
function findNeededPrincipals(rule: Rule): ReadonlySet<string> | undefined {
  for (const clause of rule) {
    const exact = clause.map(({ principals = [] }) => readExact(principals));
    if (exact.length > 0 && exact.every((texts) => texts !== undefined)) return new Set(exact.flat());
  }
  return undefined;
}

/** The texts that a list of patterns stands for; undefined if it is empty, which means any, or has other patterns. */
function readExact(patterns: readonly StringMatch[]): readonly string[] | undefined {
  const texts = patterns.map((pattern) => (pattern.kind === 'exact' ? pattern.value : undefined));
  return texts.length > 0 && texts.every((text) => text !== undefined) ? texts : undefined;
}
