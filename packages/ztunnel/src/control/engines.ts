import type { FromDataThread } from '../data-plane/protocol.ts';
import type { Logger } from '../log/logger.ts';
import type { MetricFamily } from './telemetry/open-metrics.ts';

type EngineMessage = Extract<FromDataThread, { readonly type: 'engine' }>;

/** Which engine each data thread has taken, and why if it is not the one that was asked for. */
export class Engines {
  readonly #logger: Logger;
  readonly #taken = new Map<number, Pick<EngineMessage, 'engine' | 'reason'>>();

  /** `logger`: of the module `data_thread`. */
  constructor(logger: Logger) {
    this.#logger = logger;
  }

  took(thread: number, { engine, reason }: EngineMessage): void {
    const isNews = [...this.#taken.values()].every((other) => other.engine !== engine || other.reason !== reason);
    this.#taken.set(thread, { engine, reason });
    if (!isNews) return;
    // At info the start has the reference's lines and no others.
    if (reason === '') return this.#logger.debug([], `data threads run on the ${engine} engine`);
    this.#logger.warn(
      [['reason', reason]],
      'the reactor engine cannot be used here: data threads run on the slower node engine ' +
        '(set ZTUNNEL_ENGINE=node if that is what you want)',
    );
  }

  /** In the order of the threads. */
  describe(): { readonly thread: number; readonly engine: string; readonly reason: string }[] {
    return [...this.#taken].toSorted(([a], [b]) => a - b).map(([thread, taken]) => ({ thread, ...taken }));
  }

  family(): MetricFamily {
    const different = Map.groupBy(this.#taken.values(), ({ engine, reason }) => `${engine} ${reason}`);
    return {
      name: 'ambientmesh_engine_info',
      kind: 'gauge',
      help: 'What carries the connections of data threads, and why it is not the engine that was asked for.',
      samples: [...different.values()].flatMap(([one]) =>
        one === undefined
          ? []
          : [
              {
                labels: [
                  ['engine', one.engine],
                  ['reason', one.reason],
                ],
                value: 1,
              },
            ],
      ),
    };
  }
}
