import { IptablesError } from '../errors.ts';
import type { Family, Rule, RuleSet, TableName } from './rule.ts';
import { matchSpelling } from './spelling/match-spellings.ts';
import { isSpelledAsListed } from './spelling/respell-rule.ts';
import { targetSpelling } from './spelling/target-spellings.ts';
import { Words } from './words.ts';

/** A raw match or target, and where it is. */
export interface RawWords {
  readonly table: TableName;
  readonly chain: string;
  /** As in a rule: a target with its `-j`. */
  readonly text: string;
}

/**
 * Raw matches and targets of which nobody knows whether the tools list them as they are written. They are compared as
 * text: spelled in another way than `iptables-save` prints them, a rule differs from itself whenever it is read back. Each
 * text once in a chain; empty for rules that are data throughout.
 */
export function findRawWords({ family, tables }: RuleSet): readonly RawWords[] {
  const found = new Map<string, RawWords>();
  for (const { name: table, rules } of tables)
    for (const rule of rules)
      for (const text of rawTexts(rule, { family, table }))
        found.set(`${table} ${rule.chain} ${text}`, { table, chain: rule.chain, text });
  return [...found.values()];
}

interface Place {
  readonly family: Family;
  readonly table: TableName;
}

function rawTexts({ matches, target }: Rule, place: Place): readonly string[] {
  const texts = matches.flatMap((match) => (match.match === 'raw' ? [match.text] : []));
  if (target?.target === 'raw') texts.push(`-j ${target.text}`);
  return texts.filter((text) => !isListed(text, place));
}

/** Whether the words are of an extension of which all is known, and are spelled as it is listed. */
function isListed(text: string, place: Place): boolean {
  if (text === '-f' || text === '! -f') return true;
  try {
    const words = new Words(text);
    words.read(0, text.length, 1);
    const name = words.text(1);
    const spelling = words.is(0, '-m') ? matchSpelling(name) : targetSpelling(words.is(0, '-j') ? name : '');
    if (spelling?.ordered !== true || spelling.options.length === 0) return false;
    return isSpelledAsListed(words, 0, { ...place, isChain: () => false });
  } catch (error) {
    if (error instanceof IptablesError) return false;
    throw error;
  }
}
