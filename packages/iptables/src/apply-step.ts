import type { Workplace } from './workplace.ts';

/** One thing to be made as wanted, with what is needed to take that back. */
export interface ApplyStep {
  /** What there was of ours before. */
  readonly found: 'nothing' | 'other' | 'wanted';
  /** Makes it as wanted; does nothing if it was. */
  change(place: Workplace): Promise<void>;
  /** Makes it as it was found, whatever state a failure left it in; does nothing if nothing was to be changed. */
  undo(place: Workplace): Promise<void>;
}
