import { not, word } from '../render-words.ts';
import type { InterfaceMatch } from '../rule.ts';
import type { MatchKind } from './match-kind.ts';

/** Bytes of an interface name, of `IFNAMSIZ` without the ending zero. */
const LONGEST_NAME = 15;
/** Chains that a packet reaches before or without an interface on that side. */
const WITHOUT = {
  'in-interface': ['OUTPUT', 'POSTROUTING'],
  'out-interface': ['PREROUTING', 'INPUT'],
} as const satisfies Record<InterfaceMatch['match'], readonly string[]>;

/** Packets that came in by `name`; a trailing `+` stands for any ending. Not in OUTPUT and POSTROUTING. */
export function inInterface(name: string): InterfaceMatch {
  return { match: 'in-interface', name };
}

/** Packets that leave by `name`; a trailing `+` stands for any ending. Not in PREROUTING and INPUT. */
export function outInterface(name: string): InterfaceMatch {
  return { match: 'out-interface', name };
}

/** `-i` and `-o`. */
export const INTERFACE: MatchKind<InterfaceMatch> = {
  render: ({ match, name, negated }) => `${not(negated)}-${match === 'in-interface' ? 'i' : 'o'} ${word(name)}`,
  parse([option]) {
    if (option === undefined) return undefined;
    const match = option.name === '-i' ? 'in-interface' : 'out-interface';
    const name = option.values[0] ?? '';
    return option.negated ? { match, name, negated: true } : { match, name };
  },
  list: (match) => (match.name === '+' && !match.negated ? undefined : match),
  check({ match, name, negated }, { chain }) {
    if (Buffer.byteLength(name) > LONGEST_NAME)
      return `interface ${JSON.stringify(name)} is longer than ${LONGEST_NAME} bytes`;
    if (name === '+' && negated) return 'no packet has an interface outside of all interfaces';
    if (!(WITHOUT[match] as readonly string[]).includes(chain)) return undefined;
    return `${match === 'in-interface' ? '-i' : '-o'} cannot be used in ${chain}`;
  },
};
