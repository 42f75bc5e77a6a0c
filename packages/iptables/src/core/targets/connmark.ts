import { FULL_MASK, type Mark, parseMark, renderMark, renderMask } from '../mark.ts';
import type { CopyConnmarkTarget, SetConnmarkTarget } from '../rule.ts';
import type { Option } from '../words.ts';
import type { TargetKind } from './target-kind.ts';

type ConnmarkTarget = SetConnmarkTarget | CopyConnmarkTarget;

/** Sets the bits `mark.mask` of the connection's mark to those of `mark.value` (which flips bits outside of the mask). */
export function setConnectionMark(mark: Mark): SetConnmarkTarget {
  return { target: 'CONNMARK', operation: 'set-xmark', mark };
}

/** Copies the packet's mark to its connection, all bits or those of `mask`. */
export function saveMark(mask: number = FULL_MASK): CopyConnmarkTarget {
  return { target: 'CONNMARK', operation: 'save-mark', nfmask: mask, ctmask: mask };
}

/** Copies the connection's mark to the packet, all bits or those of `mask`. */
export function restoreMark(mask: number = FULL_MASK): CopyConnmarkTarget {
  return { target: 'CONNMARK', operation: 'restore-mark', nfmask: mask, ctmask: mask };
}

/** `CONNMARK`. */
export const CONNMARK: TargetKind<ConnmarkTarget> = {
  render(target) {
    if (target.operation === 'set-xmark') return `-j CONNMARK --set-xmark ${renderMark(target.mark)}`;
    return `-j CONNMARK --${target.operation} --nfmask ${renderMask(target.nfmask)} --ctmask ${renderMask(target.ctmask)}`;
  },
  parse(options) {
    const [option, nfmask, ctmask] = options;
    if (option?.name === '--set-xmark') {
      const mark = parseMark(option.values[0] ?? '');
      return mark && { target: 'CONNMARK', operation: 'set-xmark', mark };
    }
    if (option?.name !== '--save-mark' && option?.name !== '--restore-mark') return undefined;
    const operation = option.name === '--save-mark' ? 'save-mark' : 'restore-mark';
    return { target: 'CONNMARK', operation, nfmask: maskOf(nfmask), ctmask: maskOf(ctmask) };
  },
};

function maskOf(option: Option | undefined): number {
  return Number(option?.values[0]);
}
