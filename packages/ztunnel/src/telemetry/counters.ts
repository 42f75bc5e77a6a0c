import type { CounterDelta } from '../data-plane/protocol.ts';
import { type LabelledFacts, LabelSets } from './connection-labels.ts';
import type { ResponseFlag } from './connection-record.ts';

/** The TCP counters of one label set since the last report; connections add to it directly. */
export class CounterSet {
  readonly labels: CounterDelta['labels'];
  opened = 0;
  closed = 0;
  failed = 0;
  receivedBytes = 0;
  sentBytes = 0;
  /** Running connections that hold on to this set. */
  holders = 0;

  constructor(labels: CounterDelta['labels']) {
    this.labels = labels;
  }

  get touched(): boolean {
    return this.opened + this.closed + this.failed + this.receivedBytes + this.sentBytes > 0;
  }
}

/** All counters of a data thread. Label sets without a connection leave with the report that carries their last counts. */
export class Counters {
  readonly #sets = new Map<string, CounterSet>();
  readonly #labels = new LabelSets();

  /** Those of connections like this one; `flag`: how it ended, or `-`. */
  of(facts: LabelledFacts, flag: ResponseFlag): CounterSet {
    const { pairs, key } = this.#labels.of(facts, flag);
    let set = this.#sets.get(key);
    if (set === undefined) this.#sets.set(key, (set = new CounterSet(pairs)));
    return set;
  }

  /** What has grown since the last call. */
  drain(): CounterDelta[] {
    const grown: CounterDelta[] = [];
    for (const [key, set] of this.#sets) {
      if (set.touched) {
        const { labels, opened, closed, failed, receivedBytes, sentBytes } = set;
        grown.push({ labels, opened, closed, failed, receivedBytes, sentBytes });
        set.opened = set.closed = set.failed = set.receivedBytes = set.sentBytes = 0;
      }
      if (set.holders === 0) this.#sets.delete(key);
    }
    return grown;
  }
}
