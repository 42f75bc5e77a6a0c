import type { Session } from 'node:inspector';
import { getHeapStatistics } from 'node:v8';
import type { Cancellable, Engine } from '@ambientmesh/hbone';

/** What is asked of a thread about itself. */
export type DiagnosisWanted =
  /** Where its time goes for so long, in the form of V8's `.cpuprofile`. */
  | { readonly kind: 'cpu-profile'; readonly durationMs: number }
  /** `v8.getHeapStatistics()`. */
  | { readonly kind: 'heap' };

/** JSON text, or words for why there is none. */
export type Diagnosis = { readonly json: string } | { readonly failure: string };

/**
 * Looks into the thread that it runs on. The inspector of a thread answers its own thread at once: no event loop is
 * needed. One profile at a time.
 */
export class ThreadDiagnosis {
  readonly #engine: Pick<Engine, 'after'>;
  #profiling: { readonly session: Session; readonly end: Cancellable } | undefined;

  constructor(engine: Pick<Engine, 'after'>) {
    this.#engine = engine;
  }

  /** Calls `done` once, unless `close` comes first. */
  examine(wanted: DiagnosisWanted, done: (diagnosis: Diagnosis) => void): void {
    if (wanted.kind === 'heap') return done({ json: JSON.stringify(getHeapStatistics()) });
    if (this.#profiling !== undefined) return done({ failure: 'this thread is being profiled already' });
    // Only now: it loads Node's reader of command lines, too.
    const { Session: InspectorSession } = process.getBuiltinModule('node:inspector');
    const session = new InspectorSession();
    try {
      session.connect();
      ask(session, 'Profiler.enable');
      ask(session, 'Profiler.start');
    } catch (error) {
      session.disconnect();
      return done({ failure: String(error) });
    }
    const end = this.#engine.after(wanted.durationMs, () => {
      this.#profiling = undefined;
      done(finish(session));
    });
    this.#profiling = { session, end };
  }

  /** Gives up what is under way. */
  close(): void {
    this.#profiling?.end.cancel();
    this.#profiling?.session.disconnect();
    this.#profiling = undefined;
  }
}

function finish(session: Session): Diagnosis {
  try {
    const { profile } = ask(session, 'Profiler.stop');
    return { json: JSON.stringify(profile) };
  } catch (error) {
    return { failure: String(error) };
  } finally {
    session.disconnect();
  }
}

/** Throws what the inspector refuses. */
function ask(session: Session, method: string): { readonly profile?: unknown } {
  let answer: { readonly profile?: unknown } | undefined;
  let failure: unknown = new Error(`${method}: no answer`);
  session.post(method, {}, (error: Error | null, result?: object) => {
    answer = result;
    failure = error;
  });
  if (failure !== null) throw failure instanceof Error ? failure : new Error(JSON.stringify(failure));
  return answer ?? {};
}
