import type { Namespace } from '@ambientmesh/netns';
import type { ZdsLogger } from './logger.ts';
import type { WorkloadInfo, ZdsRequest } from './messages.ts';
import { describeStartFailure, type StartFailure } from './start-failure.ts';
import { type WorkloadState, WorkloadStates } from './workload-states.ts';

/** What runs the proxies of pods. */
export interface ProxyHandler {
  /**
   * Binds everything the pod needs and resolves; rejects if something cannot be had, with nothing left open. The namespace stays
   * open until the proxy is stopped and is not the handler's to close. Must settle well within the agent's 5 s.
   */
  start(uid: string, info: WorkloadInfo, netns: Namespace): Promise<void>;
  /** Ends a proxy that `start` has started: listeners close, live connections are cut. The namespace stays open until the result settles. */
  stop(uid: string): void | Promise<void>;
}

/** How a request ended. */
export type RequestOutcome =
  | { readonly type: 'done' }
  | { readonly type: 'start-failed'; readonly uid: string; readonly failure: StartFailure }
  | { readonly type: 'fatal'; readonly reason: string };

/** Numbers for metrics. Gauges are as of the last add, delete of a running proxy, or snapshot, as in the reference. */
export interface WorkloadCounters {
  readonly activeCount: number;
  readonly pendingCount: number;
  readonly startedTotal: number;
  readonly stoppedTotal: number;
}

interface Running {
  readonly netns: Namespace;
}

interface Pending {
  readonly info: WorkloadInfo;
  readonly netns: Namespace;
}

const DONE: RequestOutcome = { type: 'done' };

/** Which pods have a proxy, and what the agent's messages do to them (spec zds.md §5, §6). One call at a time. */
export class WorkloadManager {
  readonly #handler: ProxyHandler;
  readonly #log: ZdsLogger;
  readonly #states = new WorkloadStates();
  readonly #running = new Map<string, Running>();
  readonly #pending = new Map<string, Pending>();
  readonly #snapshotNames = new Set<string>();
  readonly #stopping = new Set<Promise<void>>();
  #snapshotReceived = false;
  #counters: WorkloadCounters = { activeCount: 0, pendingCount: 0, startedTotal: 0, stoppedTotal: 0 };

  constructor(handler: ProxyHandler, log: ZdsLogger) {
    this.#handler = handler;
    this.#log = log;
  }

  get counters(): WorkloadCounters {
    return this.#counters;
  }

  /** For the admin page, by uid. */
  get workloads(): ReadonlyMap<string, WorkloadState> {
    return this.#states.list();
  }

  /** Uids whose proxy could not be started yet. */
  get pendingUids(): readonly string[] {
    return [...this.#pending.keys()];
  }

  /** A snapshot has been received on this connection and nothing is pending. */
  get ready(): boolean {
    return this.#snapshotReceived && this.#pending.size === 0;
  }

  /** A new connection: the agent tells everything again. Running proxies go on. */
  beginConnection(): void {
    for (const { netns } of this.#pending.values()) netns.close();
    this.#pending.clear();
    this.#snapshotNames.clear();
    this.#snapshotReceived = false;
  }

  /** Carries out one request. Takes over `netns`, which comes with an add only. */
  apply(request: ZdsRequest, netns: Namespace | undefined): Promise<RequestOutcome> {
    switch (request.type) {
      case 'add':
        return this.#add(request, netns);
      case 'keep':
        return Promise.resolve(this.#keep(request.uid));
      case 'delete':
        return Promise.resolve(this.#delete(request.uid));
      case 'snapshot-sent':
        return Promise.resolve(this.#reconcile());
    }
  }

  /** Tries once more to start each pending pod. */
  async retryPending(): Promise<void> {
    for (const [uid, { info, netns }] of this.#pending) {
      this.#log.info([['uid', uid]], 'retrying workload');
      const failure = await this.#start(uid, info, netns);
      if (failure === undefined) this.#pending.delete(uid);
      else this.#log.info([['uid', uid]], `retrying workload failed: ${failure.display}`);
    }
    this.#refreshGauges();
  }

  /** Waits for proxies that are being stopped, then lets go of all namespaces. Does not stop running proxies. */
  async close(): Promise<void> {
    this.beginConnection();
    await Promise.all(this.#stopping);
    for (const { netns } of this.#running.values()) netns.close();
    this.#running.clear();
  }

  async #add(request: ZdsRequest & { readonly type: 'add' }, netns: Namespace | undefined): Promise<RequestOutcome> {
    const { uid, info } = request;
    if (info === undefined || netns === undefined) {
      netns?.close();
      return { type: 'fatal', reason: 'workload_info is required but not present' };
    }
    this.#log.info(
      [
        ['uid', uid],
        ['name', info.name],
        ['namespace', info.namespace],
      ],
      'pod received, starting proxy',
    );
    if (!this.#snapshotReceived) this.#snapshotNames.add(uid);
    const running = this.#running.get(uid);
    if (running?.netns.sameAs(netns) === true) {
      netns.close();
      this.#forgetPending(uid);
      return DONE;
    }
    // The sandbox was made anew: the old namespace is dead.
    if (running !== undefined) this.#stop(uid, running);
    this.#states.markPending(uid, info);
    this.#forgetPending(uid);
    const failure = await this.#start(uid, info, netns);
    if (failure !== undefined) this.#pending.set(uid, { info, netns });
    this.#refreshGauges();
    return failure === undefined ? DONE : { type: 'start-failed', uid, failure };
  }

  #keep(uid: string): RequestOutcome {
    this.#log.info([['uid', uid]], 'pod keep received. will not delete it when snapshot is sent');
    if (this.#snapshotReceived) return { type: 'fatal', reason: 'pod keep received after snapshot' };
    this.#snapshotNames.add(uid);
    return DONE;
  }

  #delete(uid: string): RequestOutcome {
    this.#log.info([['uid', uid]], 'pod delete request, shutting down proxy');
    this.#snapshotNames.delete(uid);
    this.#forgetPending(uid);
    // Before the snapshot a running proxy is left to the reconciliation.
    const running = this.#running.get(uid);
    if (this.#snapshotReceived && running !== undefined) {
      this.#stop(uid, running);
      this.#refreshGauges();
    }
    return DONE;
  }

  #reconcile(): RequestOutcome {
    this.#log.info([], 'received snapshot sent');
    if (this.#snapshotReceived) return { type: 'fatal', reason: 'pod snapshot received already' };
    for (const [uid, running] of this.#running)
      if (!this.#snapshotNames.has(uid)) {
        this.#log.debug([['uid', uid]], 'pod is not in the snapshot, shutting down proxy');
        this.#stop(uid, running);
      }
    this.#snapshotNames.clear();
    this.#snapshotReceived = true;
    this.#refreshGauges();
    return DONE;
  }

  /** Returns why it failed, if it did. */
  async #start(uid: string, info: WorkloadInfo, netns: Namespace): Promise<StartFailure | undefined> {
    try {
      await this.#handler.start(uid, info, netns);
    } catch (error) {
      return describeStartFailure(error);
    }
    this.#running.set(uid, { netns });
    this.#states.markUp(uid, info);
    this.#counters = { ...this.#counters, startedTotal: this.#counters.startedTotal + 1 };
    return undefined;
  }

  /** Starts the stopping; nobody waits for its end but the namespace and the admin view. */
  #stop(uid: string, { netns }: Running): void {
    this.#running.delete(uid);
    this.#counters = { ...this.#counters, stoppedTotal: this.#counters.stoppedTotal + 1 };
    const stopping = this.#runStop(uid, netns).finally(() => this.#stopping.delete(stopping));
    this.#stopping.add(stopping);
  }

  /** Never rejects. */
  async #runStop(uid: string, netns: Namespace): Promise<void> {
    try {
      await this.#handler.stop(uid);
    } catch (error) {
      this.#log.error([['uid', uid]], `failed to stop proxy: ${describeStartFailure(error).display}`);
    }
    this.#states.markEnded(uid);
    netns.close();
  }

  #forgetPending(uid: string): void {
    this.#pending.get(uid)?.netns.close();
    this.#pending.delete(uid);
  }

  #refreshGauges(): void {
    this.#counters = { ...this.#counters, activeCount: this.#running.size, pendingCount: this.#pending.size };
  }
}
