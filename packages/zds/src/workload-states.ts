import type { WorkloadInfo } from './messages.ts';

/** One pod in the admin view. */
export interface WorkloadState {
  readonly state: 'Pending' | 'Up';
  readonly info: WorkloadInfo;
}

/**
 * What the admin page lists. An old proxy may end after its successor has come up, so a pod disappears when as many have
 * ended as came up. One that never came up stays listed as pending, as in the reference.
 */
export class WorkloadStates {
  readonly #entries = new Map<string, WorkloadState & { readonly up: number }>();

  markPending(uid: string, info: WorkloadInfo): void {
    this.#entries.set(uid, { state: 'Pending', info, up: this.#entries.get(uid)?.up ?? 0 });
  }

  markUp(uid: string, info: WorkloadInfo): void {
    this.#entries.set(uid, { state: 'Up', info, up: (this.#entries.get(uid)?.up ?? 0) + 1 });
  }

  markEnded(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry === undefined || entry.up === 0) return;
    if (entry.up === 1 && entry.state === 'Up') this.#entries.delete(uid);
    else this.#entries.set(uid, { ...entry, up: entry.up - 1 });
  }

  /** A copy, by uid. */
  list(): ReadonlyMap<string, WorkloadState> {
    return new Map([...this.#entries].map(([uid, { state, info }]) => [uid, { state, info }]));
  }
}
