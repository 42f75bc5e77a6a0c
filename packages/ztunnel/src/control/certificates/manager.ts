import type { ToDataThread } from '../../data-plane/protocol.ts';
import { bare, type LogField } from '../../log/line.ts';
import type { Logger } from '../../log/logger.ts';
import { ZtunnelError } from '../errors.ts';
import { backOffMs } from './back-off.ts';
import type { CertificateSource, Clock, FetchedCertificate } from './certificate-source.ts';

/** Requests to the certificate authority under way at a time. */
const maxConcurrent = 8;
/** The clock is looked at again after this at the latest: a timer does not see the wall clock being set. */
const maxTimerMs = 60_000;
/** A source that does not answer is given up; the gRPC client has a limit of its own below it. */
const fetchLimitMs = 60_000;

/** Who waits: a connection, the start of a workload, or nobody. */
export type FetchPriority = 'real-time' | 'warmup' | 'background';
const ranks: Readonly<Record<FetchPriority, number>> = { 'real-time': 0, warmup: 1, background: 2 };

/** What becomes of certificates, for all data threads. */
export type CertificateMessage = Extract<
  ToDataThread,
  { readonly type: 'certificate' | 'certificate-unavailable' | 'certificate-forgotten' }
>;

export interface CertificateManagerOptions {
  readonly source: CertificateSource;
  readonly clock: Clock;
  /** From 0 to below 1. */
  readonly random: () => number;
  readonly publish: (message: CertificateMessage) => void;
  readonly logger: Logger;
}

/** One certificate as the dump shows it. */
export interface CertificateState {
  readonly identity: string;
  /** `Initializing`, `Available` or `Unavailable: <error>`. */
  readonly state: string;
  readonly certificate: FetchedCertificate | undefined;
}

interface Waiter {
  resolve(): void;
  reject(error: Error): void;
}

interface Entry {
  readonly identity: string;
  certificate: FetchedCertificate | undefined;
  /** The last try failed with this and nothing valid is held. */
  error: Error | undefined;
  failures: number;
  priority: FetchPriority;
  /** When to fetch (again). */
  dueAtMs: number;
  fetching: AbortController | undefined;
  waiters: Waiter[];
}

/**
 * Holds one certificate an identity, shared by all pods of the node, and keeps it fresh (spec ztunnel.md §8). Every change is
 * published; a data thread that asks again gets the present answer again.
 */
export class CertificateManager {
  readonly #options: CertificateManagerOptions;
  readonly #entries = new Map<string, Entry>();
  #fetching = 0;
  #cancelTimer: (() => void) | undefined;
  #closed = false;

  constructor(options: CertificateManagerOptions) {
    this.#options = options;
  }

  /** A connection needs this certificate: the answer is published, at once if it is known. */
  want(identity: string): void {
    if (this.#closed) return;
    const entry = this.#entry(identity, 'real-time');
    if (this.#isValid(entry)) this.#publishCertificate(entry);
    else if (entry.error !== undefined) this.#publishError(entry, entry.error);
    else this.#raise(entry, 'real-time');
  }

  /** Resolves when a certificate is held; rejects with the error of the try under way, or of the last one. */
  fetch(identity: string, priority: FetchPriority): Promise<void> {
    if (this.#closed) return Promise.reject(new Error('the identity is no longer needed'));
    const entry = this.#entry(identity, priority);
    if (this.#isValid(entry)) return Promise.resolve();
    if (entry.error !== undefined) return Promise.reject(entry.error);
    const done = new Promise<void>((resolve, reject) => entry.waiters.push({ resolve, reject }));
    this.#raise(entry, priority);
    return done;
  }

  /** No workload of the node has this identity any more. */
  forget(identity: string): void {
    const entry = this.#entries.get(identity);
    if (entry === undefined) return;
    this.#entries.delete(identity);
    const error = new Error('the identity is no longer needed');
    if (entry.certificate === undefined && entry.error === undefined) this.#publishError(entry, error);
    settle(entry, error);
    entry.fetching?.abort(error);
    this.#options.publish({ type: 'certificate-forgotten', identity });
  }

  states(): CertificateState[] {
    return [...this.#entries.values()].map(({ identity, certificate, error }) => ({
      identity,
      certificate: error === undefined ? certificate : undefined,
      state:
        error !== undefined
          ? `Unavailable: ${error.message}`
          : certificate === undefined
            ? 'Initializing'
            : 'Available',
    }));
  }

  /** Stops fetching; certificates given out stay. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
    for (const entry of this.#entries.values()) {
      const error = new Error('the identity is no longer needed');
      settle(entry, error);
      entry.fetching?.abort(error);
    }
  }

  #entry(identity: string, priority: FetchPriority): Entry {
    let entry = this.#entries.get(identity);
    if (entry === undefined) {
      entry = {
        identity,
        certificate: undefined,
        error: undefined,
        failures: 0,
        priority,
        dueAtMs: this.#options.clock.now(),
        fetching: undefined,
        waiters: [],
      };
      this.#entries.set(identity, entry);
    }
    return entry;
  }

  /** Lets an entry overtake others, and fetches now what is held but has expired. */
  #raise(entry: Entry, priority: FetchPriority): void {
    if (ranks[priority] < ranks[entry.priority]) entry.priority = priority;
    if (entry.certificate !== undefined && entry.failures === 0) entry.dueAtMs = this.#options.clock.now();
    this.#run();
  }

  /** Starts what is due, as far as there is room, and sets the timer for the next. */
  #run(): void {
    if (this.#closed) return;
    const now = this.#options.clock.now();
    const waiting = [...this.#entries.values()].filter((entry) => entry.fetching === undefined);
    const due = waiting.filter((entry) => entry.dueAtMs <= now);
    due.sort((a, b) => ranks[a.priority] - ranks[b.priority] || a.dueAtMs - b.dueAtMs);
    for (const entry of due.slice(0, Math.max(0, maxConcurrent - this.#fetching))) this.#start(entry);
    this.#cancelTimer?.();
    const next = Math.min(...waiting.filter((entry) => entry.dueAtMs > now).map((entry) => entry.dueAtMs));
    this.#cancelTimer = Number.isFinite(next)
      ? this.#options.clock.schedule(Math.min(next - now, maxTimerMs), () => this.#run())
      : undefined;
  }

  #start(entry: Entry): void {
    const abort = new AbortController();
    entry.fetching = abort;
    this.#fetching++;
    const cancelLimit = this.#options.clock.schedule(fetchLimitMs, () =>
      abort.abort(new Error('signing gRPC error (Deadline expired before operation could complete): no answer')),
    );
    const ended = new Promise<never>((_, reject) => {
      abort.signal.addEventListener('abort', () => reject(errorOf(abort.signal.reason)), { once: true });
    });
    Promise.race([this.#options.source.fetch(entry.identity, abort.signal), ended])
      .then(
        (certificate) => this.#succeeded(entry, certificate),
        (error: unknown) => this.#failed(entry, errorOf(error)),
      )
      .finally(() => {
        cancelLimit();
        entry.fetching = undefined;
        this.#fetching--;
        this.#run();
      })
      .catch((error: unknown) =>
        this.#options.logger.error([['error', errorOf(error).message]], 'certificate manager'),
      );
  }

  #succeeded(entry: Entry, certificate: FetchedCertificate): void {
    if (this.#entries.get(entry.identity) !== entry) return;
    const now = this.#options.clock.now();
    const { notBeforeEpochMs, notAfterEpochMs } = certificate;
    if (notAfterEpochMs <= now) {
      // No peer would take it, and each handshake would tell less than this does.
      const end = new Date(notAfterEpochMs).toISOString();
      const problem = `the certificate has expired at ${end} (is a clock wrong, here or at the certificate authority?)`;
      this.#failed(entry, new ZtunnelError('ZTUNNEL_CERTIFICATE', problem));
      return;
    }
    entry.certificate = certificate;
    entry.error = undefined;
    entry.priority = 'background';
    entry.dueAtMs = notBeforeEpochMs + (notAfterEpochMs - notBeforeEpochMs) / 2;
    if (entry.dueAtMs > now) entry.failures = 0;
    else {
      // Old when it was issued: asking at once would ask again and again as fast as the authority answers.
      entry.failures++;
      entry.dueAtMs = now + backOffMs(entry.failures, this.#options.random);
    }
    this.#publishCertificate(entry);
    settle(entry);
  }

  #failed(entry: Entry, error: Error): void {
    if (this.#entries.get(entry.identity) !== entry || this.#closed) return;
    const now = this.#options.clock.now();
    entry.failures++;
    entry.priority = 'background';
    const wait = backOffMs(entry.failures, this.#options.random);
    const held = this.#isValid(entry) ? entry.certificate : undefined;
    entry.dueAtMs = held === undefined ? now + wait : Math.min(now + wait, held.notAfterEpochMs);
    const seconds = `${(entry.dueAtMs - now) / 1000}s`;
    this.#options.logger.warn(
      [['id', bare(entry.identity)], ...causeOf(error)],
      held === undefined
        ? `certificate fetch failed (${error.message}) and no valid existing certificate; will retry in ${seconds} (backoff capped at 150s)`
        : `certificate fetch failed (${error.message}), existing certificate is still valid; will retry in ${seconds} (backoff capped at 150s)`,
    );
    if (held !== undefined) {
      settle(entry);
      return;
    }
    entry.error = error;
    this.#publishError(entry, error);
    settle(entry, error);
  }

  #isValid(entry: Entry): boolean {
    return entry.certificate !== undefined && entry.certificate.notAfterEpochMs > this.#options.clock.now();
  }

  #publishCertificate(entry: Entry): void {
    if (entry.certificate === undefined) return;
    this.#options.publish({ type: 'certificate', certificate: entry.certificate.material });
  }

  #publishError(entry: Entry, error: Error): void {
    this.#options.publish({ type: 'certificate-unavailable', identity: entry.identity, message: error.message });
  }
}

/** The text of a failed connection is that of the reference, which says neither where nor why. */
function causeOf(error: Error): LogField[] {
  if (!('code' in error) || error.code !== 'XDS_CONNECT_FAILED' || !(error.cause instanceof Error)) return [];
  return [['cause', `${error.cause.message} (is it up, and are CA_ADDRESS and CA_ROOT_CA right?)`]];
}

function settle(entry: Entry, error?: Error): void {
  const waiters = entry.waiters;
  entry.waiters = [];
  for (const waiter of waiters) {
    if (error === undefined) waiter.resolve();
    else waiter.reject(error);
  }
}

function errorOf(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
