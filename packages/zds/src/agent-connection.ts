import { setTimeout as delay } from 'node:timers/promises';
import { closeDescriptor, type Namespace, type ReceivedPacket, type SeqpacketConnection } from '@ambientmesh/netns';
import { ZdsError } from './errors.ts';
import { decodeAck, decodeHello, encodeRequest, MAX_PACKET_BYTES, type ZdsRequest } from './messages.ts';

/** A request that waits for its answer. */
interface Waiting {
  resolve(error: string): void;
  reject(error: Error): void;
}

/** The agent's view of one ztunnel: one request at a time, each answered within the deadline. */
export class AgentConnection {
  readonly #connection: SeqpacketConnection;
  readonly #deadlineMs: number;
  /** The end of the queue of requests; never rejects. */
  #queue: Promise<unknown> = Promise.resolve();
  #waiting: Waiting | undefined;
  #lost: ZdsError | undefined;

  constructor(connection: SeqpacketConnection, deadlineMs: number) {
    this.#connection = connection;
    this.#deadlineMs = deadlineMs;
  }

  /** Reads the hello. @throws {ZdsError} `ZDS_TIMEOUT`, `ZDS_CONNECTION_LOST`, `ZDS_MALFORMED`. */
  async readHello(): Promise<number> {
    const deadline = AbortSignal.timeout(this.#deadlineMs);
    try {
      const packet = await this.#receive(deadline);
      if (packet === undefined)
        throw new ZdsError('ZDS_CONNECTION_LOST', 'ztunnel closed the connection before its hello');
      return decodeHello(packet.bytes);
    } catch (cause) {
      if (!deadline.aborted) throw cause;
      throw new ZdsError('ZDS_TIMEOUT', `no hello within ${this.#deadlineMs} ms`, { cause });
    }
  }

  /**
   * Reads answers until the connection ends, which is its only way to end; then fails what still waits. An unexpected packet ends it too.
   * Resolves with the reason.
   */
  async readAnswers(): Promise<ZdsError> {
    for (;;) {
      const end = await this.#readAnswer();
      if (end === undefined) continue;
      this.abort(end);
      return this.#lost ?? end;
    }
  }

  /**
   * Sends `request` once all earlier ones are answered, and returns the answer's error text, empty for success. `netns` stays the caller's.
   * @throws {ZdsError} `ZDS_TIMEOUT`, `ZDS_CONNECTION_LOST`, `ZDS_MALFORMED`.
   */
  request(request: ZdsRequest, netns?: Namespace): Promise<string> {
    const result = this.#queue.then(() => this.#exchange(request, netns));
    this.#queue = result.catch(() => undefined);
    return result;
  }

  /** Runs `block`, which sends its own requests with `exchange`, before every request that is not yet running. */
  exclusively(
    block: (exchange: (request: ZdsRequest, netns?: Namespace) => Promise<string>) => Promise<void>,
  ): Promise<void> {
    const result = this.#queue.then(() => block((request, netns) => this.#exchange(request, netns)));
    this.#queue = result.catch(() => undefined);
    return result;
  }

  /** Closes the connection; what waits fails with `reason`. Idempotent. */
  abort(reason: ZdsError): void {
    this.#lost ??= reason;
    this.#waiting?.reject(this.#lost);
    this.#waiting = undefined;
    this.#connection.close();
  }

  async #exchange(request: ZdsRequest, netns: Namespace | undefined): Promise<string> {
    if (this.#lost !== undefined) throw this.#lost;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const waiting: Waiting = { resolve, reject };
    // An answer may come before send has returned, but then it is for this request.
    this.#waiting = waiting;
    promise.catch(() => undefined);
    try {
      await this.#connection.send(encodeRequest(request), netns === undefined ? [] : [netns.fd], {
        signal: AbortSignal.timeout(this.#deadlineMs),
      });
    } catch (cause) {
      if (this.#waiting === waiting) this.#waiting = undefined;
      const lost = new ZdsError('ZDS_CONNECTION_LOST', `${request.type} cannot be sent to ztunnel`, { cause });
      this.abort(lost);
      throw this.#lost ?? lost;
    }
    const timer = new AbortController();
    const expiry = this.#expire(waiting, request, timer.signal);
    try {
      return await promise;
    } finally {
      timer.abort();
      await expiry;
    }
  }

  async #expire(waiting: Waiting, request: ZdsRequest, signal: AbortSignal): Promise<void> {
    try {
      await delay(this.#deadlineMs, undefined, { signal });
    } catch {
      // The answer was in time.
      return;
    }
    if (this.#waiting === waiting) this.#waiting = undefined;
    waiting.reject(new ZdsError('ZDS_TIMEOUT', `no answer to ${request.type} within ${this.#deadlineMs} ms`));
  }

  /** The next packet. ztunnel has no descriptors to send: those that come would pile up in this process. */
  async #receive(signal?: AbortSignal): Promise<ReceivedPacket | undefined> {
    const options = signal === undefined ? {} : { signal };
    const packet = await this.#connection.receive({ ...options, maxBytes: MAX_PACKET_BYTES });
    if (packet === undefined || packet.fds.length === 0) return packet;
    for (const each of packet.fds) closeDescriptor(each);
    throw new ZdsError('ZDS_MALFORMED', `ztunnel sent ${packet.fds.length} descriptors (is it a ztunnel?)`);
  }

  /** Returns why the connection is over, if it is. */
  async #readAnswer(): Promise<ZdsError | undefined> {
    try {
      const packet = await this.#receive();
      if (packet === undefined) return new ZdsError('ZDS_CONNECTION_LOST', 'ztunnel closed the connection');
      if (packet.truncated) return new ZdsError('ZDS_MALFORMED', 'truncated message');
      const waiting = this.#waiting;
      if (waiting === undefined) return new ZdsError('ZDS_MALFORMED', 'unexpected message from ztunnel');
      this.#waiting = undefined;
      waiting.resolve(decodeAck(packet.bytes));
      return undefined;
    } catch (cause) {
      if (cause instanceof ZdsError) return cause;
      return new ZdsError('ZDS_CONNECTION_LOST', 'the connection to ztunnel broke', { cause });
    }
  }
}
