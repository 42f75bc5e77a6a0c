import { renderMatch } from './matches/match-kinds.ts';
import { word } from './render-words.ts';
import type { Rule } from './rule.ts';
import { renderTarget } from './targets/target-kinds.ts';

export { renderMatch } from './matches/match-kinds.ts';
export { renderTarget } from './targets/target-kinds.ts';

/** One line of restore text without a line break. Throws `IPTABLES_RULE_INVALID` when a value cannot be written. */
export function renderRule(rule: Rule): string {
  let text = rule.position === undefined ? `-A ${word(rule.chain)}` : `-I ${word(rule.chain)} ${rule.position}`;
  for (const match of rule.matches) text += ` ${renderMatch(match)}`;
  return rule.target === undefined ? text : `${text} ${renderTarget(rule.target)}`;
}
