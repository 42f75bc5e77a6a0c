import type { AcceptingReport, EngineReport, FromDataThread, Scarcity } from '../../data-plane/protocol.ts';
import type { Labels, MetricFamily, MetricSample } from './open-metrics.ts';

/** Of the reactor, whose package keeps it to itself. */
const SLAB_BYTES = 16_384;
const SCARCITIES: readonly Scarcity[] = ['descriptors', 'memory'];
/** Limits of the histogram's buckets: every second one of the engine's, from 16 us to 1 s. */
const FIRST_BUCKET = 4;
const LAST_BUCKET = 20;
const BUCKET_STEP = 2;
const US_PER_SECOND = 1_000_000;

type Report = Pick<Extract<FromDataThread, { readonly type: 'report' }>, 'accepting' | 'engine'>;

interface Thread {
  accepting: AcceptingReport;
  readonly pauses: Record<Scarcity, number>;
  engine: EngineReport | undefined;
  readonly buckets: number[];
  turns: number;
  totalMs: number;
}

/** What data threads tell of themselves: how long their turns are, what their engine holds, whether they accept. */
export class ThreadMetrics {
  readonly #unsentBytes: number;
  readonly #threads = new Map<number, Thread>();

  /** `unsentBytes`: what the engine of one thread may keep. */
  constructor(unsentBytes: number) {
    this.#unsentBytes = unsentBytes;
  }

  add(number: number, { accepting, engine }: Report): void {
    const thread = this.#threads.get(number) ?? createThread(accepting);
    this.#threads.set(number, thread);
    thread.accepting = accepting;
    for (const scarcity of SCARCITIES) thread.pauses[scarcity] += accepting[scarcity].pauses;
    thread.engine = engine;
    if (engine === undefined) return;
    const { turnTimes } = engine;
    thread.turns += turnTimes.turns;
    thread.totalMs += turnTimes.totalMs;
    for (const [index, turns] of turnTimes.buckets.entries())
      thread.buckets[index] = (thread.buckets[index] ?? 0) + turns;
  }

  /** Those of the engine have no samples where it runs on Node's event loop. */
  families(): MetricFamily[] {
    const held = (name: string, help: string, value: (engine: EngineReport) => number): MetricFamily => ({
      name,
      kind: 'gauge',
      help,
      samples: this.#each(({ engine }, labels) => (engine === undefined ? [] : [{ labels, value: value(engine) }])),
    });
    return [
      {
        name: 'ambientmesh_data_thread_turn_seconds',
        kind: 'histogram',
        unit: 'seconds',
        help: 'How long a data thread works before it looks for what is new: what has come meanwhile waits as long.',
        samples: this.#each((thread, labels) => (thread.engine === undefined ? [] : turnSamples(thread, labels))),
      },
      held(
        'ambientmesh_data_thread_descriptors',
        'Descriptors that a data thread watches.',
        ({ holdings }) => holdings.descriptors,
      ),
      held(
        'ambientmesh_data_thread_tls_handles',
        'TLS connections of a data thread.',
        ({ holdings }) => holdings.tlsHandles,
      ),
      held(
        'ambientmesh_data_thread_unsent_bytes',
        'Memory of a data thread for bytes that peers have not taken.',
        ({ holdings }) => holdings.slabs * SLAB_BYTES,
      ),
      held(
        'ambientmesh_data_thread_unsent_limit_bytes',
        'The most that ambientmesh_data_thread_unsent_bytes can be.',
        () => this.#unsentBytes,
      ),
      {
        name: 'ambientmesh_data_thread_accept_paused',
        kind: 'gauge',
        help: 'Listeners that accept no connections because something is exhausted.',
        samples: this.#byScarcity(({ accepting }, scarcity) => accepting[scarcity].paused),
      },
      {
        name: 'ambientmesh_data_thread_accept_pauses',
        kind: 'counter',
        help: 'How often a listener stopped accepting because something was exhausted.',
        samples: this.#byScarcity(({ pauses }, scarcity) => pauses[scarcity]),
      },
    ];
  }

  #byScarcity(value: (thread: Thread, scarcity: Scarcity) => number): MetricSample[] {
    return this.#each((thread, labels) =>
      SCARCITIES.map((scarcity) => ({ labels: [...labels, ['exhausted', scarcity]], value: value(thread, scarcity) })),
    );
  }

  #each(samples: (thread: Thread, labels: Labels) => readonly MetricSample[]): MetricSample[] {
    const sorted = [...this.#threads].toSorted(([a], [b]) => a - b);
    return sorted.flatMap(([number, thread]) => samples(thread, [['thread', String(number)]]));
  }
}

function createThread(accepting: AcceptingReport): Thread {
  return { accepting, pauses: { descriptors: 0, memory: 0 }, engine: undefined, buckets: [], turns: 0, totalMs: 0 };
}

function turnSamples({ buckets, turns, totalMs }: Thread, labels: Labels): MetricSample[] {
  const samples: MetricSample[] = [];
  const bucket = (limit: string, value: number): void =>
    void samples.push({ suffix: '_bucket', labels: [...labels, ['le', limit]], value });
  let [count, next] = [0, 0];
  for (let index = FIRST_BUCKET; index <= LAST_BUCKET; index += BUCKET_STEP) {
    for (; next <= index; next++) count += buckets[next] ?? 0;
    bucket(String(2 ** index / US_PER_SECOND), count);
  }
  bucket('+Inf', turns);
  samples.push({ suffix: '_sum', labels, value: totalMs / 1000 }, { suffix: '_count', labels, value: turns });
  return samples;
}
