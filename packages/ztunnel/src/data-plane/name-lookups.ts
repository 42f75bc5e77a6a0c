import type { Cancellable, Engine } from '@ambientmesh/hbone';
import type { LookupResult } from '../dns/lookup.ts';
import type { FromDataThread } from './protocol.ts';

/** Look-ups of one pod that a data thread waits for; more fail at once. As many as its DNS proxy works on at a time. */
export const MAX_LOOKUPS_OF_POD = 1024;
/** How long an answer of the control thread is waited for: no client of ours waits longer (`HANDSHAKE_TIMEOUT_MS`). */
export const LOOKUP_LIMIT_MS = 10_000;

interface Parked {
  readonly uid: string;
  readonly done: (result: LookupResult) => void;
  readonly deadline: Cancellable;
}

type LookupWanted = Extract<FromDataThread, { readonly type: 'lookup-wanted' }>;

/** A name that a connection of a pod wants to know the address of. */
export interface WantedName {
  /** Of the pod. */
  readonly uid: string;
  readonly name: string;
  readonly family: 4 | 6;
}

/** What connections of this data thread wait for while the control thread looks their names up. */
export class NameLookups {
  readonly #engine: Pick<Engine, 'after'>;
  readonly #emit: (message: LookupWanted) => void;
  readonly #parked = new Map<number, Parked>();
  readonly #ofPod = new Map<string, number>();
  #nextId = 0;

  /** `emit` asks the control thread. */
  constructor(engine: Pick<Engine, 'after'>, emit: (message: LookupWanted) => void) {
    this.#engine = engine;
    this.#emit = emit;
  }

  /** Those that are waited for. */
  get size(): number {
    return this.#parked.size;
  }

  /** Calls `done` once: later, or at once if too many of the pod wait already; never once the pod is forgotten. */
  lookup({ uid, name, family }: WantedName, done: (result: LookupResult) => void): void {
    const count = this.#ofPod.get(uid) ?? 0;
    if (count >= MAX_LOOKUPS_OF_POD) return done({ failure: 'dns lookup: too many queries' });
    this.#ofPod.set(uid, count + 1);
    const id = this.#nextId++;
    const deadline = this.#engine.after(LOOKUP_LIMIT_MS, () => this.answer(id, { failure: 'dns lookup: timed out' }));
    this.#parked.set(id, { uid, done, deadline });
    this.#emit({ type: 'lookup-wanted', id, uid, name, family });
  }

  /** Late answers, and those for pods that are gone, are passed over. */
  answer(id: number, result: LookupResult): void {
    this.#take(id)?.done(result);
  }

  /** Nobody of this pod is called any more. */
  forget(uid: string): void {
    if (!this.#ofPod.has(uid)) return;
    for (const [id, parked] of this.#parked) if (parked.uid === uid) this.#take(id);
  }

  #take(id: number): Parked | undefined {
    const parked = this.#parked.get(id);
    if (parked === undefined) return undefined;
    this.#parked.delete(id);
    parked.deadline.cancel();
    const left = (this.#ofPod.get(parked.uid) ?? 1) - 1;
    if (left > 0) this.#ofPod.set(parked.uid, left);
    else this.#ofPod.delete(parked.uid);
    return parked;
  }
}
