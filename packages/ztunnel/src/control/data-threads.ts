import type { FromDataThread, OpenConnection, PodConnections, PodInfo, ToDataThread } from '../data-plane/protocol.ts';
import type { DataThread } from '../data-plane/thread.ts';
import { ZtunnelError } from './errors.ts';

/** The agent waits 5 s for its answer; a thread that has not answered by then is stuck. */
const podAnswerMs = 4000;
/** Room for the answer of a thread after the drain's deadline. */
const drainGraceMs = 2000;

type ReportMessage = Extract<FromDataThread, { readonly type: 'report' }>;
type ConnectionsMessage = Extract<FromDataThread, { readonly type: 'connections' }>;
type StartAnswer = Extract<FromDataThread, { readonly type: 'pod-started' | 'pod-failed' }>;
type DrainedComponent = Extract<FromDataThread, { readonly type: 'component-drained' }>;

interface CollectedConnections {
  readonly inbound: OpenConnection[];
  readonly outbound: OpenConnection[];
}

/** What comes from data threads without having been asked for. */
export interface DataThreadEvents {
  certificateWanted(identity: string): void;
  /** Finished log lines. */
  log(text: string): void;
  /** Also those that come too late for the one who asked. */
  report(thread: number, report: ReportMessage): void;
  componentDrained(message: DrainedComponent): void;
}

/** What is gathered for a dump: by uid, of all threads. */
export type ConnectionsByPod = ReadonlyMap<string, PodConnections>;

/** Waits until each thread has given one answer. */
class Answers {
  readonly done: Promise<boolean>;
  readonly #waiting: Set<number>;
  #settle: (complete: boolean) => void = () => undefined;
  readonly #timer: NodeJS.Timeout;

  constructor(threads: number, limitMs: number) {
    this.#waiting = new Set(Array.from({ length: threads }, (_, thread) => thread));
    this.done = new Promise((resolve) => (this.#settle = resolve));
    this.#timer = setTimeout(() => this.#settle(false), limitMs);
  }

  answered(thread: number): void {
    this.#waiting.delete(thread);
    if (this.#waiting.size > 0) return;
    clearTimeout(this.#timer);
    this.#settle(true);
  }
}

/** Puts the control thread's requests to all data threads and gathers their answers. */
export class DataThreads {
  readonly #threads: readonly DataThread[];
  readonly #events: DataThreadEvents;
  readonly #reports = new Map<number, Answers>();
  readonly #starting = new Map<
    string,
    { readonly answers: Answers; failure: string | undefined; transparent: boolean }
  >();
  readonly #stopping = new Map<string, Answers>();
  readonly #listings = new Map<
    number,
    { readonly answers: Answers; readonly pods: Map<string, CollectedConnections> }
  >();
  #draining: Answers | undefined;
  #cut = 0;
  #nextId = 0;

  constructor(threads: readonly DataThread[], events: DataThreadEvents) {
    this.#threads = threads;
    this.#events = events;
    for (const [index, thread] of threads.entries()) thread.onMessage = (message) => this.#take(index, message);
  }

  get count(): number {
    return this.#threads.length;
  }

  /** Sends the same message to every thread. */
  broadcast(message: ToDataThread): void {
    for (const thread of this.#threads) thread.post(message);
  }

  /** Has every thread report its counters. False if one did not within `limitMs`; its report counts when it comes. */
  async collect(limitMs: number): Promise<boolean> {
    const id = this.#nextId++;
    const answers = new Answers(this.#threads.length, limitMs);
    this.#reports.set(id, answers);
    this.broadcast({ type: 'report', id });
    const complete = await answers.done;
    this.#reports.delete(id);
    return complete;
  }

  /** The open connections of all pods, of the threads that answer within `limitMs`. */
  async listConnections(limitMs: number): Promise<ConnectionsByPod> {
    const id = this.#nextId++;
    const listing = {
      answers: new Answers(this.#threads.length, limitMs),
      pods: new Map<string, CollectedConnections>(),
    };
    this.#listings.set(id, listing);
    this.broadcast({ type: 'connections', id });
    await listing.answers.done;
    this.#listings.delete(id);
    return listing.pods;
  }

  /**
   * Starts a pod's proxy on every thread or on none; `transparent` says whether source addresses are kept. Rejects with a
   * ZtunnelError (ZTUNNEL_POD_FAILED) whose message is that of the first failure.
   */
  async startPod(uid: string, info: PodInfo, netns: number): Promise<{ readonly transparent: boolean }> {
    const state = {
      answers: new Answers(this.#threads.length, podAnswerMs),
      failure: undefined as string | undefined,
      transparent: true,
    };
    this.#starting.set(uid, state);
    this.broadcast({ type: 'pod-start', uid, info, netns });
    const complete = await state.answers.done;
    this.#starting.delete(uid);
    if (complete && state.failure === undefined) return { transparent: state.transparent };
    await this.stopPod(uid);
    throw new ZtunnelError(
      'ZTUNNEL_POD_FAILED',
      state.failure ?? `no answer from a data thread within ${podAnswerMs} ms`,
    );
  }

  /** Ends a pod's proxy on every thread; false if one did not answer in time. */
  async stopPod(uid: string): Promise<boolean> {
    const answers = new Answers(this.#threads.length, podAnswerMs);
    this.#stopping.set(uid, answers);
    this.broadcast({ type: 'pod-stop', uid });
    const complete = await answers.done;
    if (this.#stopping.get(uid) === answers) this.#stopping.delete(uid);
    return complete;
  }

  /** Ends all proxies, running connections at the deadline. Resolves with the number of those that were cut. */
  async drain(deadlineMs: number): Promise<number> {
    this.#draining = new Answers(this.#threads.length, deadlineMs + drainGraceMs);
    this.broadcast({ type: 'drain', deadlineMs });
    await this.#draining.done;
    return this.#cut;
  }

  /** Ends the threads at once. */
  async terminate(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
  }

  #take(thread: number, message: FromDataThread): void {
    switch (message.type) {
      case 'pod-started':
      case 'pod-failed':
        return this.#takeStart(thread, message);
      case 'pod-stopped':
        return this.#stopping.get(message.uid)?.answered(thread);
      case 'drained':
        this.#cut += message.cut;
        return this.#draining?.answered(thread);
      case 'report':
        this.#events.report(thread, message);
        return this.#reports.get(message.id)?.answered(thread);
      case 'connections':
        return this.#takeConnections(thread, message);
      case 'component-drained':
        return this.#events.componentDrained(message);
      case 'certificate-wanted':
        return this.#events.certificateWanted(message.identity);
      case 'log':
        return this.#events.log(message.text);
    }
  }

  #takeConnections(thread: number, { id, pods }: ConnectionsMessage): void {
    const listing = this.#listings.get(id);
    if (listing === undefined) return;
    for (const [uid, { inbound, outbound }] of pods) {
      const collected = listing.pods.get(uid) ?? { inbound: [], outbound: [] };
      collected.inbound.push(...inbound);
      collected.outbound.push(...outbound);
      listing.pods.set(uid, collected);
    }
    listing.answers.answered(thread);
  }

  #takeStart(thread: number, message: StartAnswer): void {
    const state = this.#starting.get(message.uid);
    if (state === undefined) return;
    if (message.type === 'pod-failed') state.failure ??= message.message;
    else state.transparent &&= message.transparent;
    state.answers.answered(thread);
  }
}
