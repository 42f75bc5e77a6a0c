import { type Mark, parseMark, renderMark } from '../mark.ts';
import type { SetMarkTarget } from '../rule.ts';
import type { TargetKind } from './target-kind.ts';

/** Sets the bits `mark.mask` of the packet's mark to those of `mark.value` (which flips bits outside of the mask). */
export function setMark(mark: Mark): SetMarkTarget {
  return { target: 'MARK', mark };
}

/** `MARK --set-xmark`. */
export const MARK: TargetKind<SetMarkTarget> = {
  render: ({ mark }) => `-j MARK --set-xmark ${renderMark(mark)}`,
  parse([option]) {
    const mark = option?.name === '--set-xmark' ? parseMark(option.values[0] ?? '') : undefined;
    return mark && { target: 'MARK', mark };
  },
};
