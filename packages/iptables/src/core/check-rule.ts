import type { RuleScope } from './matches/match-kind.ts';
import { checkMatch, isCoreMatch } from './matches/match-kinds.ts';
import { listProtocol } from './protocol-names.ts';
import type { Match, Rule, TransportMatch } from './rule.ts';
import { checkTarget } from './targets/target-kinds.ts';

/** Where a rule is, with what it says of its protocol. */
export function ruleScope(rule: Rule, place: Pick<RuleScope, 'family' | 'table' | 'hooks'>): RuleScope {
  const protocol = protocolOf(rule.matches);
  const negated = rule.matches.find((match) => match.match === 'protocol' && match.negated);
  const other = negated?.match === 'protocol' ? only(negated.protocol) : undefined;
  return { ...place, chain: rule.chain, protocol, namedProtocol: protocol ?? other };
}

/** Why the rule is not possible there, for people; undefined where it is. Chains it leads to are not looked at. */
export function checkRule(rule: Rule, scope: RuleScope): string | undefined {
  const { position } = rule;
  if (position !== undefined && !(Number.isSafeInteger(position) && position > 0))
    return `position ${position}: want 1 or more`;
  const seen = new Set<Match['match'] | 'ports'>();
  for (const match of rule.matches) {
    const problem = checkTwice(match, seen) ?? checkMatch(match, scope);
    if (problem !== undefined) return problem;
    seen.add(match.match);
    if (hasPorts(match)) seen.add('ports');
  }
  return rule.target && checkTarget(rule.target, scope);
}

function checkTwice(match: Match, seen: ReadonlySet<Match['match'] | 'ports'>): string | undefined {
  if (isCoreMatch(match) && seen.has(match.match)) return `${match.match} is there twice`;
  return match.match === 'tcp' || match.match === 'udp' ? checkPortsTwice(match, seen) : undefined;
}

function checkPortsTwice(match: TransportMatch, seen: ReadonlySet<Match['match'] | 'ports'>): string | undefined {
  // One without ports may be there besides: both variants list it.
  if (seen.has(match.match) && (match.implicit || (hasPorts(match) && seen.has('ports'))))
    return `${match.match} is there twice: one match takes both ports`;
  if (match.implicit && seen.has('multiport'))
    return `ports without -m ${match.match} behind a multiport are taken for its own`;
  const late = match.implicit && !seen.has('protocol') && !seen.has('raw');
  return late ? `ports without -m ${match.match} need -p ${match.match} before them` : undefined;
}

/** Ports or flags, in a match of TCP or UDP. */
function hasPorts(match: Match): boolean {
  if (match.match !== 'tcp' && match.match !== 'udp') return false;
  return match.sourcePort !== undefined || match.destinationPort !== undefined || match.flags !== undefined;
}

/** Looks into raw matches for `-p`, so that they can bring the protocol of others. */
function protocolOf(matches: readonly Match[]): string | undefined {
  for (const match of matches) {
    if (match.match === 'protocol' && !match.negated) return only(match.protocol);
    const raw = match.match === 'raw' ? /(?:^|[^!] |^ )(?:-p|--protocol) (\S+)/.exec(match.text)?.[1] : undefined;
    if (raw !== undefined) return only(raw);
  }
  return undefined;
}

function only(protocol: string): string | undefined {
  const name = listProtocol(protocol);
  return name === 'all' ? undefined : name;
}
