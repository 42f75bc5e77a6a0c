import type { RevocationCounts } from '../../data-plane/protocol.ts';
import type { MetricFamily } from './open-metrics.ts';

const reporters = ['source', 'destination'] as const;

/** Handshakes that revocation lists ended, of all data threads together. */
export class RevocationMetrics {
  readonly #counts = { source: 0, destination: 0 };

  /** Adds what a thread has counted since its last report. */
  add(counts: RevocationCounts): void {
    for (const reporter of reporters) this.#counts[reporter] += counts[reporter];
  }

  family(): MetricFamily {
    return {
      name: 'istio_crl_policy_rejections',
      kind: 'counter',
      help: 'The total number of connections rejected because of a revoked certificate.',
      samples: reporters
        .filter((reporter) => this.#counts[reporter] > 0)
        .map((reporter) => ({ labels: [['reporter', reporter] as const], value: this.#counts[reporter] })),
    };
  }
}
