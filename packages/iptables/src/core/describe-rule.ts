import { IptablesError } from '../errors.ts';
import { renderMatch } from './matches/match-kinds.ts';
import type { Match, Rule, Target } from './rule.ts';
import { renderTarget } from './targets/target-kinds.ts';

/** What a match begins with; `-m` and its name where nothing is here. */
const STARTS: { readonly [M in Match['match']]?: string } = {
  source: '-s …',
  destination: '-d …',
  'in-interface': '-i …',
  'out-interface': '-o …',
  protocol: '-p …',
  raw: '…',
};

/** A rule for messages, in the words of iptables; `…` stands for what cannot be written. */
export function describeRule({ chain, position, matches, target }: Rule): string {
  const words = [position === undefined ? `-A ${chain}` : `-I ${chain} ${position}`, ...matches.map(describeMatch)];
  return (target === undefined ? words : [...words, describeTarget(target)]).join(' ');
}

function describeMatch(match: Match): string {
  return textOf(() => renderMatch(match)) ?? STARTS[match.match] ?? `-m ${match.match} …`;
}

function describeTarget(target: Target): string {
  const written = textOf(() => renderTarget(target));
  if (written !== undefined) return written;
  if (target.target === 'goto') return '-g …';
  return target.target === 'jump' || target.target === 'raw' ? '-j …' : `-j ${target.target} …`;
}

function textOf(render: () => string): string | undefined {
  try {
    return render();
  } catch (error) {
    if (error instanceof IptablesError) return undefined;
    throw error;
  }
}
