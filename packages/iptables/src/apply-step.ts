import type { Workplace } from './workplace.ts';

/** One thing to be made as wanted, with what is needed to take that back. */
export interface ApplyStep {
  /** What there was of ours before. */
  readonly found: 'nothing' | 'other' | 'wanted';
  /** Makes it as wanted; does nothing if it was. */
  change(place: Workplace): Promise<void>;
  /** Reads what there is, whatever state a failure left it in, and finds the way back to what was found. */
  planUndo(place: Workplace): Promise<WayBack>;
}

/** How to take a step back. */
export interface WayBack {
  /** Why it is not to be gone, for people: somebody else changed the same meanwhile, and it is theirs now. */
  readonly conflict?: string;
  /** Rules of ours that somebody else wrote meanwhile stay there: what they rely on has to stay as well. */
  readonly leavesRules?: boolean;
  /** Rules rely on this step. */
  readonly reliedOn?: true;
  /** Makes it as it was found; does nothing if nothing was changed. */
  go(): Promise<void>;
}
