/** What one measurement of one contestant gave. */
export interface Sample {
  readonly contestant: string;
  /** A trial's name, or `memory-fresh`, `memory-idle`, `memory-held`, `memory-after`. */
  readonly trial: string;
  /** From 1; 0 is before the rounds. */
  readonly round: number;
  /**
   * `rate` (bytes, connections or requests a second), `cpu` (seconds of CPU of the proxies for each of these), `p50`,
   * `p99`, `max` (ms), `late` (ms, p99: the client's own), `resident`, `anonymous` (bytes), `open` (connections),
   * `anonymousPerConnection` (bytes each of these has added). Absent if not measured.
   */
  readonly metrics: Readonly<Record<string, number>>;
  /** Failed requests and connections, by reason; a trial that could not be done is one as well. */
  readonly failures: Readonly<Record<string, number>>;
}
