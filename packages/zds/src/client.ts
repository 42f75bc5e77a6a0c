import { setTimeout as delay } from 'node:timers/promises';
import {
  closeDescriptor,
  connectSeqpacket,
  Namespace,
  type ReceivedPacket,
  type SeqpacketConnection,
} from '@ambientmesh/netns';
import { AnnounceBackOff, ConnectBackOff } from './back-off.ts';
import { ZdsError } from './errors.ts';
import { silentLogger, type ZdsLogger, type ZdsLoggerFor } from './logger.ts';
import { decodeRequest, encodeAck, encodeHello, MAX_PACKET_BYTES, type RequestReading } from './messages.ts';
import { RetryTimer } from './retry-timer.ts';
import { type ProxyHandler, type RequestOutcome, type WorkloadCounters, WorkloadManager } from './workload-manager.ts';
import type { WorkloadState } from './workload-states.ts';

/** Time between two attempts to start what could not be started. */
const RETRY_MS = 5_000;
/** The agent has given the request up by then; one that does not read must not hold up a drain. */
const ANSWER_DEADLINE_MS = 5_000;

/** Time and chance, for tests. */
export interface ZdsClock {
  /** Resolves after `milliseconds`; rejects when the signal aborts. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
  /** In [0, 1). */
  random(): number;
}

/** What a `ZdsClient` works with. */
export interface ZdsClientOptions {
  /** Path of the agent's socket. */
  readonly path: string;
  readonly handler: ProxyHandler;
  /** Called when readiness changes; the first state is "not ready", without a call. */
  readonly onReadiness?: (ready: boolean) => void;
  /** The lines this class logs are listed in the README; none by default. */
  readonly loggerFor?: ZdsLoggerFor;
  readonly clock?: ZdsClock;
}

/** Why a connection ended, other than by a fatal error. */
type SessionEnd = 'eof' | 'drain' | 'announce-failed' | { readonly error: string };

const REAL_CLOCK: ZdsClock = {
  sleep: (milliseconds, signal) => delay(milliseconds, undefined, { signal }),
  random: Math.random,
};

/** ztunnel's end of the agent protocol: keeps connected, starts and stops proxies as the agent says. */
export class ZdsClient implements AsyncDisposable {
  readonly #options: ZdsClientOptions;
  readonly #clock: ZdsClock;
  readonly #log: ZdsLogger;
  readonly #protocolLog: ZdsLogger;
  readonly #manager: WorkloadManager;
  readonly #announceBackOff = new AnnounceBackOff();
  #ready = false;
  #active: Promise<void> | undefined;
  readonly #ending = new AbortController();

  constructor(options: ZdsClientOptions) {
    this.#options = options;
    this.#clock = options.clock ?? REAL_CLOCK;
    const loggerFor = options.loggerFor ?? (() => silentLogger);
    this.#log = loggerFor('inpod::workloadmanager');
    this.#protocolLog = loggerFor('inpod::protocol');
    this.#manager = new WorkloadManager(options.handler, loggerFor('inpod::statemanager'));
  }

  /** Numbers for metrics, as of now. */
  get counters(): WorkloadCounters {
    return this.#manager.counters;
  }

  /** Connected, snapshot processed on this connection, nothing pending. */
  get ready(): boolean {
    return this.#ready;
  }

  /** The pods of the admin page, by uid. */
  workloads(): ReadonlyMap<string, WorkloadState> {
    return this.#manager.workloads;
  }

  /**
   * Connects, and connects again for ever. Resolves once `signal` aborts: nothing more is read then, running proxies are left running.
   * @throws {ZdsError} `ZDS_PROTOCOL_FATAL` after the agent broke the protocol and was told so: the process must end with code 1.
   * `ZDS_BUSY` if it runs already.
   */
  run(signal: AbortSignal): Promise<void> {
    if (this.#active !== undefined) return Promise.reject(new ZdsError('ZDS_BUSY', 'this client runs already'));
    this.#active = this.#run(AbortSignal.any([signal, this.#ending.signal])).finally(() => {
      this.#active = undefined;
    });
    return this.#active;
  }

  /** Ends `run`, waits for proxies that are being stopped and lets go of the namespaces. Running proxies are not stopped. Idempotent. */
  async close(): Promise<void> {
    this.#ending.abort();
    await this.#active?.catch(() => undefined);
    await this.#manager.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const connection = await this.#connect(signal);
      if (connection === undefined) break;
      this.#manager.beginConnection();
      let end: SessionEnd;
      try {
        end = await this.#serve(connection, signal);
      } finally {
        connection.close();
        this.#setReady(false);
      }
      if (end === 'eof' || end === 'drain') this.#log.info([], 'process stream ended with eof');
      else if (end === 'announce-failed') await this.#pause(this.#announceBackOff.next(this.#clock.random()), signal);
      else this.#log.warn([], `process stream ended: ${end.error}`);
    }
    this.#log.info([], 'drain requested');
  }

  /** Undefined if `signal` aborts first. */
  async #connect(signal: AbortSignal): Promise<SeqpacketConnection | undefined> {
    const { path } = this.#options;
    const backOff = new ConnectBackOff();
    while (!signal.aborted) {
      try {
        return await connectSeqpacket(path, { signal });
      } catch (error) {
        if (signal.aborted) return undefined;
        const waitMs = backOff.next();
        const fields = [
          ['path', path],
          ['error', messageOf(error)],
          ['retry_ms', waitMs],
        ] as const;
        this.#log.warn(fields, 'failed to connect to the node agent, retrying: is the node agent healthy?');
        await this.#pause(waitMs, signal);
      }
    }
    return undefined;
  }

  async #serve(connection: SeqpacketConnection, signal: AbortSignal): Promise<SessionEnd> {
    this.#log.info([], 'handling new stream');
    try {
      await connection.send(encodeHello(), [], { signal });
    } catch (error) {
      if (signal.aborted) return 'drain';
      this.#log.error([], `failed to announce to the node agent: ${messageOf(error)}`);
      return 'announce-failed';
    }
    const retry = new RetryTimer(RETRY_MS, this.#clock);
    try {
      for (;;) {
        const next = await this.#receive(connection, retry, signal);
        if (next === 'eof' || next === 'drain' || 'error' in next) return next;
        const end = await this.#answer(connection, next.packet, retry);
        if (end !== undefined) return end;
      }
    } finally {
      retry.cancel();
    }
  }

  /** The next packet. Retries of failed starts happen in between; a wait that a retry interrupts loses nothing. */
  async #receive(
    connection: SeqpacketConnection,
    retry: RetryTimer,
    signal: AbortSignal,
  ): Promise<{ readonly packet: ReceivedPacket } | 'eof' | 'drain' | { readonly error: string }> {
    for (;;) {
      if (signal.aborted) {
        this.#protocolLog.info([], 'workload proxy manager: drain requested');
        return 'drain';
      }
      if (retry.takeExpired()) await this.#retryPending(retry);
      const wake = new AbortController();
      const wakeUp = (): void => wake.abort();
      signal.addEventListener('abort', wakeUp);
      retry.onExpiry = wakeUp;
      try {
        // An abort during the retry has no listener yet.
        if (signal.aborted) continue;
        const packet = await connection.receive({ signal: wake.signal, maxBytes: MAX_PACKET_BYTES });
        return packet === undefined ? 'eof' : { packet };
      } catch (error) {
        if (!wake.signal.aborted) return { error: `ReceiveMessageError(${JSON.stringify(messageOf(error))})` };
      } finally {
        signal.removeEventListener('abort', wakeUp);
        retry.onExpiry = undefined;
      }
    }
  }

  /** Carries out one packet and answers it. Returns the end of the session if the connection is of no more use. */
  async #answer(
    connection: SeqpacketConnection,
    packet: ReceivedPacket,
    retry: RetryTimer,
  ): Promise<SessionEnd | undefined> {
    const { reading, netns } = this.#read(packet);
    if ('problem' in reading) {
      this.#log.error([], `failed to read message: ${reading.problem}`);
      await this.#send(connection, `failure to read message : ${reading.problem}`);
      return { error: `ReceiveMessageError(${JSON.stringify(reading.problem)})` };
    }
    const outcome = await this.#manager.apply(reading.request, netns);
    if (outcome.type === 'fatal') return this.#endFatally(connection, outcome.reason);
    if (outcome.type === 'start-failed') this.#scheduleRetry(outcome, retry);
    // Before the answer: an agent that has it may look at readiness at once.
    this.#setReady(this.#manager.ready);
    return this.#send(
      connection,
      outcome.type === 'start-failed' ? `failure to start proxy : ${outcome.failure.debug}` : '',
    );
  }

  /** Every descriptor has an owner or is closed afterwards. */
  #read({ bytes, fds, truncated }: ReceivedPacket): {
    readonly reading: RequestReading;
    readonly netns: Namespace | undefined;
  } {
    const reading = decodeRequest({ bytes, descriptorCount: fds.length, truncated });
    const [fd] = fds;
    if ('problem' in reading || fd === undefined) {
      for (const each of fds) closeDescriptor(each);
      return { reading, netns: undefined };
    }
    const netns = Namespace.ofDescriptor(fd);
    if (!netns.isNetworkNamespace)
      this.#protocolLog.warn([['inode', String(netns.id.inode)]], 'received descriptor is not a network namespace');
    return { reading, netns };
  }

  #scheduleRetry(outcome: RequestOutcome & { readonly type: 'start-failed' }, retry: RetryTimer): void {
    this.#log.error([['uid', { bare: outcome.uid }]], `failed to start proxy: ${outcome.failure.debug}`);
    this.#armRetry(retry);
  }

  #armRetry(retry: RetryTimer): void {
    if (!retry.arm()) return;
    this.#log.info(
      [['uids', { bare: JSON.stringify(this.#manager.pendingUids).replaceAll('","', '", "') }]],
      'scheduling retry',
    );
  }

  async #retryPending(retry: RetryTimer): Promise<void> {
    await this.#manager.retryPending();
    if (this.#manager.pendingUids.length > 0) this.#armRetry(retry);
    else this.#setReady(this.#manager.ready);
  }

  async #endFatally(connection: SeqpacketConnection, reason: string): Promise<never> {
    const text = `ProtocolError(${JSON.stringify(reason)})`;
    this.#log.error([], `failed to process message: ${text}`);
    await this.#send(connection, `failure to process message : ${text}`);
    this.#log.error([], 'protocol mismatch error while processing stream, shutting down');
    throw new ZdsError(
      'ZDS_PROTOCOL_FATAL',
      `the node agent broke the protocol: ${reason} (do agent and ztunnel versions fit?)`,
    );
  }

  async #send(connection: SeqpacketConnection, error: string): Promise<SessionEnd | undefined> {
    try {
      await connection.send(encodeAck(error), [], { signal: AbortSignal.timeout(ANSWER_DEADLINE_MS) });
      return undefined;
    } catch (cause) {
      return { error: `SendAckError(${JSON.stringify(messageOf(cause))})` };
    }
  }

  #setReady(ready: boolean): void {
    if (ready === this.#ready) return;
    this.#ready = ready;
    if (ready) this.#announceBackOff.reset();
    this.#options.onReadiness?.(ready);
  }

  async #pause(milliseconds: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#clock.sleep(milliseconds, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
