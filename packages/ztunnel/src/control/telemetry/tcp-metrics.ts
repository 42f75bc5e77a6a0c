import type { CounterDelta, OpenSockets } from '../../data-plane/protocol.ts';
import { type Labels, type MetricFamily, renderLabels } from './open-metrics.ts';

type CounterName = 'opened' | 'closed' | 'receivedBytes' | 'sentBytes' | 'failed';

/**
 * Label sets held, about 3 kB each. A node of 100 pods with 200 peers each stays below; but any workload of the mesh may
 * call itself what it likes in its baggage.
 */
const maxLabelSets = 20_000;
/** Labels that keep their value where all other peers' connections are counted together; their values are few. */
const boundedLabels = new Set(['reporter', 'request_protocol', 'response_flags', 'connection_security_policy']);

/** The families in the order of the reference. */
const families: readonly { readonly counter: CounterName; readonly name: string; readonly help: string }[] = [
  {
    counter: 'opened',
    name: 'istio_tcp_connections_opened',
    help: 'The total number of TCP connections opened.',
  },
  {
    counter: 'closed',
    name: 'istio_tcp_connections_closed',
    help: 'The total number of TCP connections closed.',
  },
  {
    counter: 'receivedBytes',
    name: 'istio_tcp_received_bytes',
    help: 'The size of total bytes received during request in case of a TCP connection.',
  },
  {
    counter: 'sentBytes',
    name: 'istio_tcp_sent_bytes',
    help: 'The size of total bytes sent during response in case of a TCP connection.',
  },
  {
    counter: 'failed',
    name: 'istio_tcp_connections_failed',
    help: 'The total number of TCP connections that failed to establish (unstable).',
  },
];

/** The TCP metrics of all data threads together, for the life of the process. */
export class TcpMetrics {
  readonly #counters = new Map<CounterName, Map<string, { readonly labels: Labels; value: number }>>();
  readonly #labelSets = new Set<string>();
  /** The last report of each thread. */
  readonly #openSockets = new Map<number, OpenSockets>();
  readonly #reporters = new Set<'source' | 'destination'>();

  /** Adds what a thread has counted since its last report. */
  add(thread: number, counters: readonly CounterDelta[], openSockets: OpenSockets): void {
    for (const delta of counters) this.#addDelta(delta);
    this.#openSockets.set(thread, openSockets);
    if (openSockets.source > 0) this.#reporters.add('source');
    if (openSockets.destination > 0) this.#reporters.add('destination');
  }

  families(): MetricFamily[] {
    const counters = families.map(
      ({ counter, name, help }): MetricFamily => ({
        name,
        kind: 'counter',
        help,
        samples: this.#counters.get(counter)?.values() ?? [],
      }),
    );
    return [
      ...counters,
      {
        name: 'istio_tcp_sockets_open',
        kind: 'gauge',
        help: 'The current number of open TCP sockets (unstable).',
        samples: [...this.#reporters].map((reporter) => ({
          labels: [['reporter', reporter] as const],
          value: this.#sumOpen(reporter),
        })),
      },
    ];
  }

  #addDelta(delta: CounterDelta): void {
    const { key, labels } = this.#admit(delta.labels);
    for (const { counter } of families) {
      // The byte counts of a connection are there from its opening on, with 0.
      const isShown = delta.opened > 0 && (counter === 'receivedBytes' || counter === 'sentBytes');
      if (delta[counter] === 0 && !isShown) continue;
      let samples = this.#counters.get(counter);
      if (samples === undefined) this.#counters.set(counter, (samples = new Map()));
      const sample = samples.get(key);
      if (sample === undefined) samples.set(key, { labels, value: delta[counter] });
      else sample.value += delta[counter];
    }
    const reporter = delta.labels.find(([name]) => name === 'reporter')?.[1];
    if (reporter === 'source' || reporter === 'destination') this.#reporters.add(reporter);
  }

  /** The labels to count under: those given while there is room for them. */
  #admit(labels: Labels): { readonly key: string; readonly labels: Labels } {
    const key = renderLabels(labels);
    if (this.#labelSets.has(key)) return { key, labels };
    if (this.#labelSets.size < maxLabelSets) {
      this.#labelSets.add(key);
      return { key, labels };
    }
    const folded = labels.map(([name, value]) => [name, boundedLabels.has(name) ? value : 'unknown'] as const);
    return { key: renderLabels(folded), labels: folded };
  }

  #sumOpen(reporter: 'source' | 'destination'): number {
    let sum = 0;
    for (const open of this.#openSockets.values()) sum += open[reporter];
    return sum;
  }
}
