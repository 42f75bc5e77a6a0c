import type { VerdictTarget } from '../rule.ts';
import type { TargetKind } from './target-kind.ts';

/** Lets the packet through this table. */
export function accept(): VerdictTarget {
  return { target: 'ACCEPT' };
}

/** Drops the packet without a word to its sender. Not in nat, where only the first packet of a connection comes. */
export function drop(): VerdictTarget {
  return { target: 'DROP' };
}

/** Goes on behind the rule that led into this chain; in a built-in chain its policy decides. */
export function goBack(): VerdictTarget {
  return { target: 'RETURN' };
}

/** `ACCEPT`, `DROP` and `RETURN`. */
export const VERDICT: TargetKind<VerdictTarget> = {
  render: ({ target }) => `-j ${target}`,
  parse: () => undefined,
  check: ({ target }, { table }) => (target === 'DROP' && table === 'nat' ? 'DROP cannot be used in nat' : undefined),
};
