import type { CopyConnmarkTarget, SetConnmarkTarget, SetMarkTarget } from '../rule.ts';
import type { Effect } from './apply-target.ts';
import { hasConnection, hasTemplate, type WalkState } from './walk-state.ts';

/** `MARK` and `CONNMARK`; the latter does nothing where there is no connection. */
export function applyMarkTarget(
  target: SetMarkTarget | SetConnmarkTarget | CopyConnmarkTarget,
  state: WalkState,
): Effect {
  if (target.target === 'CONNMARK' && !hasConnection(state))
    return { kind: 'continue', state, change: 'no effect: there is no tracked connection here' };
  if (target.target === 'CONNMARK' && hasTemplate(state)) return useTemplate(target, state);
  if (target.target === 'MARK') return changeMark(state, combine(state.mark, target.mark.mask, target.mark.value));
  const { mark, connectionMark } = state;
  switch (target.operation) {
    case 'set-xmark':
      return changeConnectionMark(state, combine(connectionMark, target.mark.mask, target.mark.value));
    case 'restore-mark':
      return changeMark(state, combine(mark, target.nfmask, under(connectionMark, target.ctmask)));
    case 'save-mark':
      return changeConnectionMark(state, combine(connectionMark, target.ctmask, under(mark, target.nfmask)));
  }
}

/** The template is shared by all packets of its rule, and so is its mark; the connection gets none of it. */
function useTemplate(target: SetConnmarkTarget | CopyConnmarkTarget, state: WalkState): Effect {
  if (target.operation === 'restore-mark' && target.ctmask !== 0) return changeMark(state, undefined);
  return { kind: 'continue', state, change: 'no effect on the connection: it is not tracked yet' };
}

/** xt_mark, xt_connmark: (old and not mask) xor value. A full mask does not need the old one. */
function combine(old: number | undefined, mask: number, value: number | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (mask === 0xffff_ffff) return value;
  return old === undefined ? undefined : ((old & ~mask) ^ value) >>> 0;
}

function under(value: number | undefined, mask: number): number | undefined {
  return value === undefined ? undefined : (value & mask) >>> 0;
}

function changeMark(state: WalkState, mark: number | undefined): Effect {
  return { kind: 'continue', state: { ...state, mark }, change: changed('mark', mark) };
}

function changeConnectionMark(state: WalkState, connectionMark: number | undefined): Effect {
  return { kind: 'continue', state: { ...state, connectionMark }, change: changed('connection mark', connectionMark) };
}

function changed(name: string, value: number | undefined): string {
  return value === undefined ? `what the ${name} is now is not known` : `${name} is now 0x${value.toString(16)}`;
}
