import { IptablesError } from '../../errors.ts';
import { renderRule } from '../render-rule.ts';
import type { Family, Match, Rule } from '../rule.ts';
import type { Condition } from './condition.ts';
import type { FamilyRule } from './merge-families.ts';
import { noNftForm } from './no-nft-form.ts';
import { translateMatch } from './translate-match.ts';
import { translateTarget } from './translate-target.ts';

/** What iptables looks at before any `-m`, wherever it is written. */
const OF_HEADER: readonly Match['match'][] = ['source', 'destination', 'in-interface', 'out-interface', 'protocol'];
/** Limit of nft, in bytes. */
const LONGEST_COMMENT_BYTES = 128;

/**
 * The nft rules that do what `rule` does to packets of `family`, and nothing to others; none if no packet can meet it.
 * Throws `IPTABLES_RULE_INVALID` with the rule in the message where there is no exact equal.
 */
export function translateRule(rule: Rule, family: Family): readonly FamilyRule[] {
  try {
    return translate(rule, family);
  } catch (error) {
    if (!(error instanceof IptablesError)) throw error;
    throw new IptablesError('IPTABLES_RULE_INVALID', `${renderRule(rule)}: ${error.message}`, { cause: error });
  }
}

function translate({ matches, target }: Rule, family: Family): readonly FamilyRule[] {
  const conditions = translateMatches(matches, family);
  if (conditions === undefined) return [];
  const counting = conditions.some((condition) => condition.counting);
  const ofFamily = conditions.some((condition) => condition.ofFamily) && !counting;
  const before = conditions.map(({ text }) => text);
  const alone = ofFamily ? before : [`meta nfproto ${family}`, ...before];
  const comment = renderComment(matches);
  const build = (statements: readonly string[]): FamilyRule => ({
    shared: counting ? undefined : [...before, ...statements, ...comment].join(' '),
    alone: [...alone, ...statements, ...comment].join(' '),
  });
  if (target === undefined) return [build(['counter'])];
  const action = translateTarget(target, family);
  if (target.target === 'jump' || target.target === 'goto') return [build([action])];
  if (target.target !== 'TPROXY') return [build(['counter', action])];
  if (counting) throw noNftForm('TPROXY for a part of the packets');
  // Where no transparent socket listens iptables drops the packet, but nft leaves the rule and would let it pass.
  return [build(['counter', action]), build(['counter', 'drop'])];
}

/** Undefined where one of them never holds. */
function translateMatches(matches: readonly Match[], family: Family): readonly Condition[] | undefined {
  const protocol = matches.find((match) => match.match === 'protocol' && match.negated !== true);
  const name = protocol?.match === 'protocol' ? protocol.protocol : undefined;
  const all: Condition[] = [];
  let possible = true;
  for (const match of inKernelOrder(matches)) {
    const conditions = translateMatch(match, family, name);
    if (conditions === 'never') possible = false;
    else all.push(...conditions);
  }
  return possible ? all : undefined;
}

function inKernelOrder(matches: readonly Match[]): readonly Match[] {
  return [...matches.filter(isOfHeader), ...matches.filter((match) => !isOfHeader(match))];
}

function isOfHeader(match: Match): boolean {
  return OF_HEADER.includes(match.match);
}

/** nft has one comment a rule and no escapes; as nothing depends on the words, they are made to fit. */
function renderComment(matches: readonly Match[]): readonly string[] {
  const texts = matches.flatMap((match) => (match.match === 'comment' ? [match.text] : []));
  if (texts.length === 0) return [];
  const text = texts
    .join(' ')
    .replaceAll('"', "'")
    .replaceAll(/\p{Cc}/gu, ' ');
  return [`comment "${cutToBytes(text, LONGEST_COMMENT_BYTES)}"`];
}

function cutToBytes(text: string, limit: number): string {
  if (Buffer.byteLength(text) <= limit) return text;
  let cut = '';
  for (const char of text) {
    if (Buffer.byteLength(cut + char) > limit) break;
    cut += char;
  }
  return cut;
}
