import type { RevocationCounts } from '../../data-plane/protocol.ts';
import type { MetricFamily } from './open-metrics.ts';

const reporters = ['source', 'destination'] as const;

/**
 * Handshakes that revocation lists ended, of all data threads together. The reference's other family,
 * `istio_crl_untracked_connections`, would have no samples: every tunnel's certificates are remembered here, from its
 * handshake on and whether there are lists or not, so that none runs beyond the reach of a list.
 */
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
