import { type DnsCounterDelta, DURATION_BUCKETS_SECONDS } from '../../dns/dns-counters.ts';
import { type Labels, type MetricFamily, type MetricSample, renderLabels } from './open-metrics.ts';

type CounterName = 'requests' | 'upstreamRequests' | 'upstreamFailures';

const counters: readonly { readonly counter: CounterName; readonly name: string; readonly help: string }[] = [
  { counter: 'requests', name: 'istio_dns_requests', help: 'Total number of DNS requests (unstable).' },
  {
    counter: 'upstreamRequests',
    name: 'istio_dns_upstream_requests',
    help: 'Total number of DNS requests forwarded to upstream (unstable).',
  },
  {
    counter: 'upstreamFailures',
    name: 'istio_dns_upstream_failures',
    help: 'Total number of DNS requests forwarded to upstream that failed (unstable).',
  },
];

interface Totals extends Record<CounterName, number> {
  readonly labels: Labels;
  sumSeconds: number;
  readonly buckets: number[];
}

/** The DNS metrics of all pods together, for the life of the process. */
export class DnsMetrics {
  readonly #totals = new Map<string, Totals>();

  /** Adds what has been counted since the last call. */
  add(deltas: readonly DnsCounterDelta[]): void {
    for (const delta of deltas) {
      const totals = this.#totalsOf(delta.labels);
      for (const { counter } of counters) totals[counter] += delta[counter];
      totals.sumSeconds += delta.durations.sumSeconds;
      for (const [index, count] of delta.durations.counts.entries())
        totals.buckets[index] = (totals.buckets[index] ?? 0) + count;
    }
  }

  families(): MetricFamily[] {
    const totals = [...this.#totals.values()];
    const counterFamilies = counters.map(
      ({ counter, name, help }): MetricFamily => ({
        name,
        kind: 'counter',
        help,
        samples: totals
          .filter((entry) => entry[counter] > 0)
          .map((entry) => ({ labels: entry.labels, value: entry[counter] })),
      }),
    );
    return [
      ...counterFamilies,
      {
        name: 'istio_dns_upstream_request_duration_seconds',
        kind: 'histogram',
        help: 'Total time in seconds Istio takes to get DNS response from upstream (unstable).',
        unit: 'seconds',
        samples: totals.filter(({ buckets }) => buckets.some((count) => count > 0)).flatMap(histogramSamples),
      },
    ];
  }

  #totalsOf(labels: Labels): Totals {
    const key = renderLabels(labels);
    let totals = this.#totals.get(key);
    if (totals === undefined) {
      totals = { labels, requests: 0, upstreamRequests: 0, upstreamFailures: 0, sumSeconds: 0, buckets: [] };
      this.#totals.set(key, totals);
    }
    return totals;
  }
}

function histogramSamples({ labels, sumSeconds, buckets }: Totals): MetricSample[] {
  let below = 0;
  const bucketSamples = [...DURATION_BUCKETS_SECONDS, Number.POSITIVE_INFINITY].map((limit, index): MetricSample => {
    below += buckets[index] ?? 0;
    return { suffix: '_bucket', labels: [['le', renderLimit(limit)], ...labels], value: below };
  });
  return [{ suffix: '_sum', labels, value: sumSeconds }, { suffix: '_count', labels, value: below }, ...bucketSamples];
}

/** OpenMetrics wants a canonical float: `1.0`, not `1`. */
function renderLimit(limit: number): string {
  if (limit === Number.POSITIVE_INFINITY) return '+Inf';
  return Number.isInteger(limit) ? `${limit}.0` : String(limit);
}
