import { type WireRecord } from './wire-record.ts';

/** How asking the name servers ended. */
export interface ForwardOutcome {
  /**
   * `answer`: there are records. `empty`: there surely are none, of this type (code 0) or name (code 3). `refused`: no
   * server answers, with the code of the last. `timeout` and `unreachable`: none was heard of.
   */
  readonly kind: 'answer' | 'empty' | 'refused' | 'timeout' | 'unreachable';
  /** The code for the client. */
  readonly rcode: number;
  readonly records: readonly WireRecord[];
  /** Seconds since the records came. */
  readonly ageSeconds: number;
  /** For how long it may be remembered; 0: not at all. */
  readonly cacheSeconds: number;
  /** The system's words if `unreachable`, else empty. */
  readonly reason: string;
}
