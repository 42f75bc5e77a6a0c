/** Stable names of what can go wrong in a benchmark. */
export type BenchErrorCode =
  /** An option, or a combination of them, makes no sense. */
  | 'BENCH_OPTIONS_INVALID'
  /** A process in a pod ended, or reported an error. */
  | 'BENCH_AGENT_FAILED'
  /** A process in a pod did not answer in time. */
  | 'BENCH_TIMEOUT'
  /** The proxies of a contestant cannot be found among the lab's processes. */
  | 'BENCH_PROXY_MISSING'
  /** The project's own ztunnel cannot be bundled. */
  | 'BENCH_BUNDLE_FAILED'
  /** Our ztunnel runs on another engine than the one to be measured. */
  | 'BENCH_ENGINE_FELL_BACK';

/** Failure of a benchmark. Branch on `code`; the message is for people. */
export class BenchError extends Error {
  override readonly name = 'BenchError';
  readonly code: BenchErrorCode;

  constructor(code: BenchErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
