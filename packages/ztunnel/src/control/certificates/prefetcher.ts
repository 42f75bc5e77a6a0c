import type { Logger } from '../../log/logger.ts';
import { identityText } from '../../state/identity.ts';
import type { Workload } from '../../state/workload.ts';
import type { CertificateManager } from './manager.ts';

/** Identities that wait to be prefetched; one dropped is fetched at its first use. */
const maxQueued = 256;

/**
 * Fetches certificates of the node's own workloads before they are needed, one at a time, and has them forgotten with the
 * last workload of their identity (spec ztunnel.md §8). Without a node name nothing is prefetched or forgotten.
 */
export class CertificatePrefetcher {
  readonly #manager: CertificateManager;
  readonly #nodeName: string | undefined;
  readonly #logger: Logger;
  /** Workloads of the node by identity. */
  readonly #users = new Map<string, Set<string>>();
  readonly #identities = new Map<string, string>();
  readonly #queue: string[] = [];
  #running = false;

  constructor(options: {
    readonly manager: CertificateManager;
    readonly nodeName: string | undefined;
    readonly logger: Logger;
  }) {
    this.#manager = options.manager;
    this.#nodeName = options.nodeName;
    this.#logger = options.logger;
  }

  /** A workload has come or changed. */
  workloadSeen(workload: Workload): void {
    const identity = this.#isLocal(workload) ? identityText(workload) : '';
    const before = this.#identities.get(workload.uid);
    if (before === identity) return;
    if (before !== undefined) this.workloadRemoved(workload.uid);
    if (identity === '') return;
    this.#identities.set(workload.uid, identity);
    const users = this.#users.get(identity);
    if (users !== undefined) {
      users.add(workload.uid);
      return;
    }
    this.#users.set(identity, new Set([workload.uid]));
    this.#enqueue(identity);
  }

  /** A workload is gone. */
  workloadRemoved(uid: string): void {
    const identity = this.#identities.get(uid);
    if (identity === undefined) return;
    this.#identities.delete(uid);
    const users = this.#users.get(identity);
    users?.delete(uid);
    if (users?.size !== 0) return;
    this.#users.delete(identity);
    const queued = this.#queue.indexOf(identity);
    if (queued !== -1) this.#queue.splice(queued, 1);
    this.#manager.forget(identity);
  }

  #isLocal(workload: Workload): boolean {
    const tunnelled = workload.protocol === 'HBONE' || workload.nativeTunnel;
    return tunnelled && this.#nodeName !== undefined && workload.node === this.#nodeName;
  }

  #enqueue(identity: string): void {
    if (this.#queue.length >= maxQueued) {
      this.#logger.error([], `unable to prefetch cert for ${JSON.stringify(identity)}, skipping, the queue is full`);
      return;
    }
    this.#queue.push(identity);
    if (this.#running) return;
    this.#running = true;
    this.#work().catch((error: unknown) => this.#logger.error([['error', String(error)]], 'prefetch ended'));
  }

  async #work(): Promise<void> {
    for (let identity = this.#queue.shift(); identity !== undefined; identity = this.#queue.shift()) {
      try {
        await this.#manager.fetch(identity, 'warmup');
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        this.#logger.error([], `unable to prefetch cert for ${JSON.stringify(identity)}, skipping, ${why}`);
      }
    }
    this.#running = false;
  }
}
