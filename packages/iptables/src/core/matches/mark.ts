import { FULL_MASK, type Mark, parseMark, renderMarkMatch } from '../mark.ts';
import { not } from '../render-words.ts';
import type { MarkMatch } from '../rule.ts';
import { onlyOption } from '../words.ts';
import type { MatchKind } from './match-kind.ts';

/** Packets whose mark is `mark.value` under `mark.mask`, or a number that all 32 bits must equal. */
export function packetMark(mark: Mark | number): MarkMatch {
  return { match: 'mark', mark: markOf(mark) };
}

/** Packets of connections whose mark is `mark.value` under `mark.mask`, or a number that all 32 bits must equal. */
export function connectionMark(mark: Mark | number): MarkMatch {
  return { match: 'connmark', mark: markOf(mark) };
}

/** `-m mark` and `-m connmark`. */
export const MARK: MatchKind<MarkMatch> = {
  render: ({ match, mark, negated }) => `-m ${match} ${not(negated)}--mark ${renderMarkMatch(mark)}`,
  parse(options, name) {
    const option = onlyOption(options, '--mark');
    const mark = parseMark(option?.values[0] ?? '');
    if (option === undefined || mark === undefined) return undefined;
    const match = name === 'mark' ? 'mark' : 'connmark';
    return option.negated ? { match, mark, negated: true } : { match, mark };
  },
};

function markOf(mark: Mark | number): Mark {
  return typeof mark === 'number' ? { value: mark, mask: FULL_MASK } : mark;
}
