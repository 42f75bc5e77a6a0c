import { oneLine } from '../render-words.ts';
import type { RawTarget } from '../rule.ts';
import type { TargetKind } from './target-kind.ts';

/** A target with its options as they are, without `-j`: `rawTarget('NFLOG --nflog-group 5')`. Quoting is yours. */
export function rawTarget(text: string): RawTarget {
  return { target: 'raw', text };
}

/** Anything else. */
export const RAW: TargetKind<RawTarget> = {
  render: ({ text }) => `-j ${oneLine(text)}`,
  parse: () => undefined,
};
