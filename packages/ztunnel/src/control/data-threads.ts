import type {
  Denial,
  FromDataThread,
  OpenConnection,
  PodConnections,
  PodInfo,
  StateChange,
  ToDataThread,
} from '../data-plane/protocol.ts';
import type { DataThread } from '../data-plane/thread.ts';
import type { LookupResult } from '../dns/lookup.ts';
import { endWaiting } from '../log/log-backlog.ts';
import { ChangeParts } from './change-parts.ts';
import { ZtunnelError } from './errors.ts';
import { mergeDenials } from './merge-denials.ts';
import { ThreadFeed } from './thread-feed.ts';

/** The agent waits 5 s for its answer; a thread that has not answered by then is stuck. */
const defaultPodAnswerMs = 4000;
/** Room for the answer of a thread after the drain's deadline. */
const drainGraceMs = 2000;

type ReportMessage = Extract<FromDataThread, { readonly type: 'report' }>;
type ListingMessage = Extract<FromDataThread, { readonly type: 'connections' | 'denials' }>;
type DiagnosisMessage = Extract<FromDataThread, { readonly type: 'diagnosis' }>;
type EngineMessage = Extract<FromDataThread, { readonly type: 'engine' }>;
type WantedLookup = Extract<FromDataThread, { readonly type: 'lookup-wanted' }>;
type StartAnswer = Extract<FromDataThread, { readonly type: 'pod-started' | 'pod-failed' }>;
type DrainedComponent = Extract<FromDataThread, { readonly type: 'component-drained' }>;

const UNASKED = ['engine', 'component-drained', 'certificate-wanted', 'lookup-wanted', 'diagnosis', 'log'] as const;

/** What comes without having been asked for. */
type Unasked = Extract<FromDataThread, { readonly type: (typeof UNASKED)[number] }>;

interface CollectedConnections {
  readonly inbound: OpenConnection[];
  readonly outbound: OpenConnection[];
}

/** What comes from data threads without having been asked for. */
export interface DataThreadEvents {
  /** The first of each thread. */
  engine(thread: number, message: EngineMessage): void;
  certificateWanted(identity: string): void;
  /** `answer`: may be called once, now or later. */
  lookupWanted(wanted: WantedLookup, answer: (result: LookupResult) => void): void;
  /** Finished log lines. `written`: to be called when they wait no more. */
  log(text: string, written: () => void): void;
  /** Also those that come too late for the one who asked. */
  report(thread: number, report: ReportMessage): void;
  componentDrained(message: DrainedComponent): void;
  diagnosis(message: DiagnosisMessage): void;
}

/** What is gathered for a dump: by uid, of all threads. */
export type ConnectionsByPod = ReadonlyMap<string, PodConnections>;

/** What the threads have that answered in time, and which did not: what those have is missing. */
export interface Listed<T> {
  readonly found: T;
  /** Numbers of the threads, ascending. */
  readonly silent: readonly number[];
}

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

  /** Whether all have answered, in time or not. */
  get complete(): boolean {
    return this.#waiting.size === 0;
  }

  /** Those whose answers are still to come, ascending. */
  get owing(): readonly number[] {
    return [...this.#waiting];
  }

  /** Whether an answer of this thread is still to come, in time or not. */
  owes(thread: number): boolean {
    return this.#waiting.has(thread);
  }

  answered(thread: number): void {
    this.#waiting.delete(thread);
    if (this.#waiting.size > 0) return;
    clearTimeout(this.#timer);
    this.#settle(true);
  }
}

/** A descriptor that stays what it is until it is closed here. */
export interface HeldDescriptor {
  readonly fd: number;
  close(): void;
}

/** A start or a stop of a pod that was posted to every thread. */
interface PodRequest {
  readonly kind: 'start' | 'stop';
  readonly answers: Answers;
  /** Words of the first thread that could not start it. */
  failure: string | undefined;
  transparent: boolean;
  /** Of a start. */
  readonly netns: HeldDescriptor | undefined;
}

/** Puts the control thread's requests to all data threads and gathers their answers. */
export class DataThreads {
  readonly #threads: readonly DataThread[];
  readonly #feeds: readonly ThreadFeed[];
  readonly #events: DataThreadEvents;
  readonly #reports = new Map<number, Answers>();
  readonly #podAnswerMs: number;
  /**
   * By uid, in the order posted, until every thread has answered: a thread answers in that order too, however late, so the
   * oldest request that it owes is the one that it answers.
   */
  readonly #podRequests = new Map<string, PodRequest[]>();
  /** By id of the request, until its time is up. */
  readonly #listings = new Map<number, (thread: number, message: ListingMessage) => void>();
  #draining: Answers | undefined;
  #cut = 0;
  #nextId = 0;

  /** `podAnswerMs`: how long a thread may take to start or stop a pod. */
  constructor(threads: readonly DataThread[], events: DataThreadEvents, podAnswerMs = defaultPodAnswerMs) {
    this.#threads = threads;
    this.#feeds = threads.map((thread) => new ThreadFeed(thread));
    this.#podAnswerMs = podAnswerMs;
    this.#events = events;
    for (const [index, thread] of threads.entries()) thread.onMessage = (message) => this.#take(index, message);
  }

  get count(): number {
    return this.#threads.length;
  }

  /** Sends the same message to every thread; a change behind those that are on their way. */
  broadcast(message: Exclude<ToDataThread, { readonly type: 'batch' | 'batch-part' }>): void {
    for (const feed of this.#feeds) feed.post(message);
  }

  /**
   * Puts changes in force on every thread: on each of them all at once, later changes behind them. Resolves when all
   * threads go by them; rejects with a ZtunnelError (ZTUNNEL_DATA_THREAD_LOST) when the threads are ended before that.
   */
  async applyState(changes: readonly StateChange[]): Promise<void> {
    const parts = new ChangeParts(changes);
    const taken = await Promise.all(this.#feeds.map((feed) => feed.apply(parts)));
    if (taken.includes(false)) throw new ZtunnelError('ZTUNNEL_DATA_THREAD_LOST', 'the data threads are ended');
  }

  postTo(thread: number, message: ToDataThread): void {
    this.#threads[thread]?.post(message);
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
  async listConnections(limitMs: number): Promise<Listed<ConnectionsByPod>> {
    const found = new Map<string, CollectedConnections>();
    const silent = await this.#list('connections', limitMs, (message) => {
      if (message.type === 'connections') collectConnections(found, message.pods);
    });
    return { found, silent };
  }

  /** Recent denials, the latest first, of the threads that answer within `limitMs`; equal ones are added up. */
  async listDenials(limitMs: number): Promise<Listed<readonly Denial[]>> {
    const ofThreads: (readonly Denial[])[] = [];
    const silent = await this.#list('denials', limitMs, (message) => {
      if (message.type === 'denials') ofThreads.push(message.denials);
    });
    return { found: mergeDenials(ofThreads), silent };
  }

  /**
   * Starts a pod's proxy on every thread or on none; `transparent` says whether source addresses are kept. Rejects with a
   * ZtunnelError (ZTUNNEL_POD_FAILED) whose message is that of the first failure. Takes `netns` over, until the last thread
   * has answered: one that is stuck reads the number later, when it must not be that of another pod's namespace.
   */
  async startPod(uid: string, info: PodInfo, netns: HeldDescriptor): Promise<{ readonly transparent: boolean }> {
    const request = this.#expectPod(uid, 'start', netns);
    this.broadcast({ type: 'pod-start', uid, info, netns: netns.fd });
    const complete = await request.answers.done;
    if (complete && request.failure === undefined) return { transparent: request.transparent };
    const stopped = this.stopPod(uid);
    // A thread that is stuck stops the pod as soon as it has started it; the agent does not wait that long.
    if (complete) await stopped;
    throw new ZtunnelError(
      'ZTUNNEL_POD_FAILED',
      request.failure ?? `no answer from a data thread within ${this.#podAnswerMs} ms`,
    );
  }

  /** Ends a pod's proxy on every thread; false if one did not answer in time. */
  async stopPod(uid: string): Promise<boolean> {
    const { answers } = this.#expectPod(uid, 'stop');
    this.broadcast({ type: 'pod-stop', uid });
    return answers.done;
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
    for (const feed of this.#feeds) feed.close();
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
  }

  #take(thread: number, message: FromDataThread): void {
    if (isUnasked(message)) this.#tell(thread, message);
    else this.#takeAnswer(thread, message);
  }

  #takeAnswer(thread: number, message: Exclude<FromDataThread, Unasked>): void {
    switch (message.type) {
      case 'pod-started':
      case 'pod-failed':
        return this.#takeStart(thread, message);
      case 'pod-stopped':
        return this.#podAnswered(thread, message.uid, this.#owed(thread, message.uid, 'stop'));
      case 'batch-taken':
        return this.#feeds[thread]?.taken();
      case 'drained':
        this.#cut += message.cut;
        return this.#takeDrained(thread);
      case 'report':
        this.#events.report(thread, message);
        return this.#reports.get(message.id)?.answered(thread);
      case 'connections':
      case 'denials':
        return this.#takeListing(thread, message);
    }
  }

  #tell(thread: number, message: Unasked): void {
    switch (message.type) {
      case 'component-drained':
        return this.#events.componentDrained(message);
      case 'engine':
        return this.#events.engine(thread, message);
      case 'certificate-wanted':
        return this.#events.certificateWanted(message.identity);
      case 'lookup-wanted':
        return this.#events.lookupWanted(message, (result) =>
          this.postTo(thread, { type: 'lookup-answer', id: message.id, result }),
        );
      case 'diagnosis':
        return this.#events.diagnosis(message);
      case 'log':
        return this.#log(thread, message.text);
    }
  }

  #log(thread: number, text: string): void {
    const backlog = this.#threads[thread]?.logBacklog;
    this.#events.log(text, () => backlog && endWaiting(backlog, text.length));
  }

  /** Resolves with the threads that have not answered in time. */
  async #list(
    type: ListingMessage['type'],
    limitMs: number,
    take: (message: ListingMessage) => void,
  ): Promise<readonly number[]> {
    const id = this.#nextId++;
    const answers = new Answers(this.#threads.length, limitMs);
    this.#listings.set(id, (thread, message) => {
      take(message);
      answers.answered(thread);
    });
    this.broadcast({ type, id });
    await answers.done;
    this.#listings.delete(id);
    return answers.owing;
  }

  #takeDrained(thread: number): void {
    this.#draining?.answered(thread);
  }

  #takeListing(thread: number, message: ListingMessage): void {
    this.#listings.get(message.id)?.(thread, message);
  }

  #takeStart(thread: number, message: StartAnswer): void {
    const request = this.#owed(thread, message.uid, 'start');
    if (request === undefined) return;
    if (message.type === 'pod-failed') request.failure ??= message.message;
    else request.transparent &&= message.transparent;
    this.#podAnswered(thread, message.uid, request);
  }

  #expectPod(uid: string, kind: PodRequest['kind'], netns?: HeldDescriptor): PodRequest {
    const answers = new Answers(this.#threads.length, this.#podAnswerMs);
    const request: PodRequest = { kind, answers, failure: undefined, transparent: true, netns };
    const requests = this.#podRequests.get(uid);
    if (requests === undefined) this.#podRequests.set(uid, [request]);
    else requests.push(request);
    return request;
  }

  #owed(thread: number, uid: string, kind: PodRequest['kind']): PodRequest | undefined {
    return this.#podRequests.get(uid)?.find((request) => request.kind === kind && request.answers.owes(thread));
  }

  #podAnswered(thread: number, uid: string, request: PodRequest | undefined): void {
    if (request === undefined) return;
    request.answers.answered(thread);
    if (request.answers.complete) request.netns?.close();
    const left = this.#podRequests.get(uid)?.filter(({ answers }) => !answers.complete) ?? [];
    if (left.length > 0) this.#podRequests.set(uid, left);
    else this.#podRequests.delete(uid);
  }
}

function isUnasked(message: FromDataThread): message is Unasked {
  return UNASKED.some((type) => type === message.type);
}

function collectConnections(
  collected: Map<string, CollectedConnections>,
  pods: ReadonlyMap<string, PodConnections>,
): void {
  for (const [uid, { inbound, outbound }] of pods) {
    const ofPod = collected.get(uid) ?? { inbound: [], outbound: [] };
    ofPod.inbound.push(...inbound);
    ofPod.outbound.push(...outbound);
    collected.set(uid, ofPod);
  }
}
