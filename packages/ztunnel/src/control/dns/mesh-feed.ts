import type { Cancellable, Engine } from '@ambientmesh/hbone';
import type { StateChange } from '../../data-plane/protocol.ts';
import { walkInSlices } from '../../data-plane/sliced-walk.ts';
import type { MeshState } from '../../state/mesh-state.ts';
import type { MeshTables } from '../../state/mesh-tables.ts';
import type { Write } from '../../state/two-sided.ts';

/**
 * Takes what discovery says into a state on the control thread, a few milliseconds a turn: a mesh may be large, and others
 * wait for that thread. A group is seen as a whole. Policies are of no interest here.
 */
export class MeshFeed {
  readonly #state: MeshState;
  readonly #engine: Pick<Engine, 'after'>;
  readonly #changed: () => void;
  readonly #waiting: { readonly changes: readonly StateChange[]; readonly done: () => void }[] = [];
  #walk: Cancellable | undefined;

  /** `changed` is called after each group of changes. */
  constructor(state: MeshState, engine: Pick<Engine, 'after'>, changed: () => void) {
    this.#state = state;
    this.#engine = engine;
    this.#changed = changed;
  }

  /** Resolves when all of them, and all groups given before, are in the state; or at `close`. */
  async apply(changes: readonly StateChange[]): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ changes, done: resolve });
    if (this.#waiting.length === 1) this.#begin();
    await promise;
  }

  /** Nothing is taken in any more. */
  close(): void {
    this.#walk?.cancel();
    for (const { done } of this.#waiting.splice(0)) done();
  }

  #begin(): void {
    this.#walk = walkInSlices(this.#engine, this.#steps());
  }

  *#steps(): Generator<void> {
    const { sides } = this.#state;
    for (let group = this.#waiting[0]; group !== undefined; group = this.#waiting[0]) {
      for (const change of group.changes) {
        const write = writeOf(change);
        if (write !== undefined) sides.stage(write);
        yield;
      }
      sides.exchange();
      this.#changed();
      while (sides.step()) yield;
      this.#waiting.shift();
      group.done();
    }
  }
}

function writeOf(change: StateChange): Write<MeshTables> | undefined {
  switch (change.type) {
    case 'workload':
      return (tables) => tables.putWorkload(change.workload, change.endpoints);
    case 'workload-removed':
      return (tables) => tables.removeWorkload(change.uid);
    case 'service':
      return (tables) => tables.putService(change.service);
    case 'service-removed':
      return (tables) => tables.removeService(change.key);
    case 'policy':
    case 'policy-removed':
      return undefined;
  }
}
