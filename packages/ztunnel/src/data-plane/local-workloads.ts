import type { Cancellable, Engine } from '@ambientmesh/hbone';
import type { MeshState } from '../state/mesh-state.ts';
import type { Workload } from '../state/workload.ts';
import type { PodInfo } from './protocol.ts';

/** How long a connection waits for the record of its own pod (spec ztunnel.md §6.3). */
const WAIT_MS = 5_000;

interface Waiting {
  readonly pod: PodInfo;
  readonly answer: (workload: Workload | undefined) => void;
  readonly timer: Cancellable;
}

/** Finds the workload of an enrolled pod, and waits for it when discovery is late. */
export class LocalWorkloads {
  readonly #state: MeshState;
  readonly #engine: Pick<Engine, 'after'>;
  readonly #waiting = new Set<Waiting>();

  constructor(state: MeshState, engine: Pick<Engine, 'after'>) {
    this.#state = state;
    this.#engine = engine;
  }

  /**
   * Answers at once when the workload is known, and then there is nothing to cancel; else when it comes, or undefined
   * after the wait.
   */
  resolve(pod: PodInfo, answer: (workload: Workload | undefined) => void): Cancellable | undefined {
    const known = this.#state.workloadOfPod(pod);
    if (known !== undefined) {
      answer(known);
      return undefined;
    }
    const timer = this.#engine.after(WAIT_MS, () => {
      this.#waiting.delete(waiting);
      answer(undefined);
    });
    const waiting: Waiting = { pod, answer, timer };
    this.#waiting.add(waiting);
    return {
      cancel: () => {
        timer.cancel();
        this.#waiting.delete(waiting);
      },
    };
  }

  /** To be called after the state has grown. */
  changed(): void {
    for (const waiting of this.#waiting) {
      const workload = this.#state.workloadOfPod(waiting.pod);
      if (workload === undefined || !this.#waiting.delete(waiting)) continue;
      waiting.timer.cancel();
      waiting.answer(workload);
    }
  }
}

/** `<account>.<namespace> (<name>)`, as logs name a pod that discovery does not know. */
export function describePod(pod: PodInfo): string {
  return `${pod.serviceAccount}.${pod.namespace} (${pod.name})`;
}
