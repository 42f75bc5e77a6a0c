import { word } from '../render-words.ts';
import type { ChainTarget } from '../rule.ts';
import type { TargetKind } from './target-kind.ts';

/** Goes through the rules of `chain` and comes back if none of them ends it. */
export function jump(chain: string): ChainTarget {
  return { target: 'jump', chain };
}

/** Goes through the rules of `chain`, and from its end back to where this chain was entered from. */
export function goTo(chain: string): ChainTarget {
  return { target: 'goto', chain };
}

/** `-j CHAIN` and `-g CHAIN`. Which chains there are is for the rule set to check. */
export const CHAIN: TargetKind<ChainTarget> = {
  render: ({ target, chain }) => `${target === 'jump' ? '-j' : '-g'} ${word(chain)}`,
  parse: () => undefined,
};
