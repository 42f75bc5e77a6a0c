/** Upper limits in seconds of `istio_dns_upstream_request_duration_seconds`; one more bucket takes the rest. */
export const DURATION_BUCKETS_SECONDS: readonly number[] = [0.0005, 0.001, 0.01, 0.1, 1, 5];

/** Growth of the DNS counters of one label set; `labels` in the order of spec ztunnel.md §10. Crosses threads. */
export interface DnsCounterDelta {
  readonly labels: readonly (readonly [name: string, value: string])[];
  readonly requests: number;
  readonly upstreamRequests: number;
  readonly upstreamFailures: number;
  readonly durations: {
    readonly sumSeconds: number;
    /** Observations in each bucket alone, not added up. */
    readonly counts: readonly number[];
  };
}

/** Who asked what, and how. Bounded: one client, the types that have a name, two protocols. */
export interface DnsLabels {
  readonly queryType: string;
  readonly protocol: 'udp' | 'tcp';
  readonly service: string;
  readonly revision: string;
}

/** The counters of one label set since the last report. */
export class DnsCounterSet {
  readonly labels: DnsCounterDelta['labels'];
  requests = 0;
  upstreamRequests = 0;
  upstreamFailures = 0;
  #sumSeconds = 0;
  #counts = emptyBuckets();

  constructor({ queryType, protocol, service, revision }: DnsLabels) {
    this.labels = [
      ['request_query_type', queryType],
      ['request_protocol', protocol],
      ['source_canonical_service', service],
      ['source_canonical_revision', revision],
    ];
  }

  observe(seconds: number): void {
    const bucket = DURATION_BUCKETS_SECONDS.findIndex((limit) => seconds <= limit);
    const index = bucket === -1 ? DURATION_BUCKETS_SECONDS.length : bucket;
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#sumSeconds += seconds;
  }

  /** What has grown since the last call. */
  take(): DnsCounterDelta {
    const { labels, requests, upstreamRequests, upstreamFailures } = this;
    const durations = { sumSeconds: this.#sumSeconds, counts: this.#counts };
    this.requests = this.upstreamRequests = this.upstreamFailures = this.#sumSeconds = 0;
    this.#counts = emptyBuckets();
    return { labels, requests, upstreamRequests, upstreamFailures, durations };
  }
}

/** The DNS counters of one pod, or of several that share one object. */
export class DnsCounters {
  readonly #sets = new Map<string, DnsCounterSet>();

  set(labels: DnsLabels): DnsCounterSet {
    const key = `${labels.queryType}\0${labels.protocol}\0${labels.service}\0${labels.revision}`;
    let set = this.#sets.get(key);
    if (set === undefined) this.#sets.set(key, (set = new DnsCounterSet(labels)));
    return set;
  }

  /** What has grown since the last call. Nobody may hold a set across turns of the loop: idle ones leave. */
  drain(): readonly DnsCounterDelta[] {
    const grown: DnsCounterDelta[] = [];
    for (const [key, set] of this.#sets) {
      const delta = set.take();
      const sum = delta.requests + delta.upstreamRequests + delta.upstreamFailures;
      if (sum + delta.durations.counts.reduce((total, count) => total + count, 0) > 0) grown.push(delta);
      else this.#sets.delete(key);
    }
    return grown;
  }
}

function emptyBuckets(): number[] {
  return Array.from({ length: DURATION_BUCKETS_SECONDS.length + 1 }, () => 0);
}
