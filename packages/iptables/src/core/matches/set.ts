import { not, word } from '../render-words.ts';
import type { SetMatch } from '../rule.ts';
import { onlyOption } from '../words.ts';
import type { MatchKind } from './match-kind.ts';

/** Bytes of a set's name, of `IPSET_MAXNAMELEN` without the ending zero. */
const LONGEST_NAME = 31;
const MOST_DIRECTIONS = 6;

/** Packets with an address in the `ipset` of that name; one direction for each dimension of the set. */
export function inSet(set: string, ...directions: readonly [Direction, ...Direction[]]): SetMatch {
  return { match: 'set', set, directions };
}

type Direction = SetMatch['directions'][number];

/** `-m set --match-set`. */
export const SET: MatchKind<SetMatch> = {
  render: ({ set, directions, negated }) => `-m set ${not(negated)}--match-set ${word(set)} ${directions.join(',')}`,
  parse(options) {
    const option = onlyOption(options, '--match-set');
    const [set = '', list = '', more] = option?.values ?? [];
    const directions = list.split(',').map((name) => (name === 'src' || name === 'dst' ? name : undefined));
    if (option === undefined || more !== undefined) return undefined;
    if (!directions.every((direction) => direction !== undefined)) return undefined;
    return { match: 'set', set, directions, ...(option.negated ? { negated: true } : {}) };
  },
  check({ set, directions }) {
    if (Buffer.byteLength(set) > LONGEST_NAME) return `set ${JSON.stringify(set)} is longer than ${LONGEST_NAME} bytes`;
    if (directions.length > 0 && directions.length <= MOST_DIRECTIONS) return undefined;
    return `${directions.length} directions: want 1 to ${MOST_DIRECTIONS}`;
  },
};
