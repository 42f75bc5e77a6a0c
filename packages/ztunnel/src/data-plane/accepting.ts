import type { Cancellable, ConnectionFailure, Engine } from '@ambientmesh/hbone';
import type { ThreadLog } from '../telemetry/thread-log.ts';
import type { AcceptingReport, Scarcity } from './protocol.ts';

/** Quiet after which it is over: descriptors that come and go make no episode each. */
export const CALM_MS = 5000;

/** What is exhausted, by the code of the failure. */
const SCARCITIES: ReadonlyMap<string, Scarcity> = new Map([
  ['EMFILE', 'descriptors'],
  ['ENFILE', 'descriptors'],
  ['ENOMEM', 'memory'],
  ['ENOBUFS', 'memory'],
]);

/** What of those that run. */
const MEANWHILE: Readonly<Record<Scarcity, string>> = {
  descriptors: 'descriptors are exhausted; those that run go on',
  memory:
    'memory for unsent bytes is exhausted; those that run go on, but for those that need more of it than their share',
};

const ADVICE: Readonly<Record<Scarcity, string>> = {
  descriptors:
    'raise the limit of open files (ulimit -n, LimitNOFILE), or look for clients that leave connections open',
  memory: 'look for clients that do not read, or raise ZTUNNEL_UNSENT_BYTES',
};

interface Kind {
  readonly paused: Set<object>;
  pauses: number;
  /** Milliseconds of the engine's clock; undefined: no episode goes on. */
  begunMs: number | undefined;
  calm: Cancellable | undefined;
}

/**
 * Which listeners of a data thread do not accept because something is exhausted. The log is told once when it begins and
 * once when it is over, however many listeners it concerns.
 */
export class Accepting {
  readonly #engine: Pick<Engine, 'after' | 'now'>;
  readonly #log: Pick<ThreadLog, 'line'>;
  readonly #kinds: Readonly<Record<Scarcity, Kind>> = { descriptors: createKind(), memory: createKind() };

  constructor(engine: Pick<Engine, 'after' | 'now'>, log: Pick<ThreadLog, 'line'>) {
    this.#engine = engine;
    this.#log = log;
  }

  /** `listener` does not accept any more, for now. False: that is no want of anything, and the caller's to tell. */
  paused(listener: object, failure: ConnectionFailure): boolean {
    const scarcity = SCARCITIES.get(failure.code);
    if (scarcity === undefined) return false;
    const kind = this.#kinds[scarcity];
    kind.calm?.cancel();
    kind.calm = undefined;
    kind.paused.add(listener);
    kind.pauses++;
    if (kind.begunMs !== undefined) return true;
    kind.begunMs = this.#engine.now();
    this.#log.line({
      level: 'warn',
      scope: 'proxy',
      message: `new connections are not accepted: ${MEANWHILE[scarcity]}`,
      fields: [
        ['exhausted', scarcity],
        ['error', failure.message],
        ['advice', ADVICE[scarcity]],
      ],
      spans: [],
    });
    return true;
  }

  /** It accepts again, or is closed. */
  resumed(listener: object): void {
    for (const scarcity of ['descriptors', 'memory'] as const) {
      const kind = this.#kinds[scarcity];
      if (!kind.paused.delete(listener) || kind.paused.size > 0) continue;
      kind.calm = this.#engine.after(CALM_MS, () => this.#end(scarcity));
    }
  }

  /** Pauses since the last call, and those that go on. */
  drain(): AcceptingReport {
    const { descriptors, memory } = this.#kinds;
    return { descriptors: takeCounts(descriptors), memory: takeCounts(memory) };
  }

  #end(scarcity: Scarcity): void {
    const kind = this.#kinds[scarcity];
    const lastedMs = this.#engine.now() - CALM_MS - (kind.begunMs ?? 0);
    kind.begunMs = kind.calm = undefined;
    this.#log.line({
      level: 'info',
      scope: 'proxy',
      message: 'new connections are accepted again',
      fields: [
        ['exhausted', scarcity],
        ['lasted_ms', Math.max(0, Math.round(lastedMs))],
      ],
      spans: [],
    });
  }
}

function createKind(): Kind {
  return { paused: new Set(), pauses: 0, begunMs: undefined, calm: undefined };
}

function takeCounts(kind: Kind): { readonly paused: number; readonly pauses: number } {
  const { pauses } = kind;
  kind.pauses = 0;
  return { paused: kind.paused.size, pauses };
}
