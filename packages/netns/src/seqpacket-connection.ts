import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { closeDescriptor } from './descriptors.ts';
import { NetnsError } from './errors.ts';
import { AF_UNIX, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_SEQPACKET } from './kernel-constants.ts';
import { SOCKADDR_UN } from './kernel-structs.ts';
import {
  assertSendable,
  MAX_PACKET_BYTES,
  MAX_PACKET_DESCRIPTORS,
  type ReceivedPacket,
  receivePacket,
  sendPacket,
} from './message-packet.ts';
import { checked, native, systemCallError } from './native.ts';
import { ReadinessWatch } from './readiness-watch.ts';
import { takePendingError } from './socket-options.ts';
import { TurnQueue } from './turn-queue.ts';

/** The packet size of the agent protocol, the only one in use here. */
const DEFAULT_MAX_BYTES = 1_024;
/** Sends that wait for the peer beside the one that is tried, one connection's; their packets are in memory meanwhile. */
const MAX_WAITING_SENDS = 1_024;
/** The kernel does not say when a full backlog has room again. */
const BACKLOG_RETRY_MS = 20;
/** The final zero needs a place, too. */
const MAX_PATH_BYTES = SOCKADDR_UN.size - SOCKADDR_UN.path - 1;

const { EAGAIN, EINTR, EINPROGRESS } = constants.errno;

/** Options of a single receive. */
export interface ReceiveOptions {
  /** Cancels the waiting; no packet is lost by it. */
  readonly signal?: AbortSignal;
  /** Room for one packet, 1024 by default, 1 to 65 536; a longer one arrives cut, with `truncated`. */
  readonly maxBytes?: number;
  /** How many descriptors may come, 0 to 253, as many by default; the kernel closes further ones, and `truncated` says so. */
  readonly maxDescriptors?: number;
}

/**
 * One end of a SEQPACKET connection: whole packets, in order, that may carry descriptors. Made by `connectSeqpacket` and
 * `SeqpacketServer.accept`. There is no `abort`: nothing is kept here that `close` would have to wait for.
 */
export class SeqpacketConnection implements AsyncDisposable {
  readonly #fd: number;
  readonly #watch: ReadinessWatch;
  readonly #sends = new TurnQueue(MAX_WAITING_SENDS);
  #receiving = false;
  #closed = false;

  /** Takes over a connected socket. Not part of the API, which exports only the type. */
  constructor(fd: number) {
    this.#fd = fd;
    this.#watch = new ReadinessWatch(fd);
  }

  /** Whether `close` has been called. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Sends one packet, waiting while the peer's queue is full; packets go in the order of the calls, and a call that is
   * cancelled or fails lets the next one go. The caller keeps `fds` and closes its own copies, but neither them nor `bytes`
   * may change before this settles. A packet of 0 bytes cannot be told from the end of the stream by the peer and is refused.
   * @throws {NetnsError} `NETNS_SYSTEM_CALL` (EPIPE, ECONNRESET: the peer is gone; EBADF: one of `fds` is not open),
   * `NETNS_INVALID_ARGUMENT`, `NETNS_CLOSED`, `NETNS_BUSY` (1024 calls wait already); and the signal's reason.
   */
  async send(
    bytes: Uint8Array,
    fds: readonly number[] = [],
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    options.signal?.throwIfAborted();
    if (bytes.length === 0)
      throw new NetnsError('NETNS_INVALID_ARGUMENT', 'an empty packet would read as end of stream');
    assertSendable(bytes, fds);
    this.#assertOpen();
    if (!this.#sends.tryTake()) await this.#sends.take(options.signal);
    try {
      options.signal?.throwIfAborted();
      for (;;) {
        this.#assertOpen();
        if (sendPacket(this.#fd, bytes, fds)) return;
        const errno = native().errno();
        if (errno === EAGAIN) await this.#watch.writable(options.signal);
        else if (errno !== EINTR) throw systemCallError({ operation: 'sendmsg' }, errno);
      }
    } finally {
      this.#sends.end();
    }
  }

  /**
   * The next packet, or undefined at the end of the stream. The caller owns the descriptors in it. One call at a time.
   * When this process runs out of descriptors, those that still fit come, with `truncated`.
   * @throws {NetnsError} `NETNS_SYSTEM_CALL` (ECONNRESET), `NETNS_BUSY` while another call waits, `NETNS_CLOSED` if `close`
   * comes first, `NETNS_INVALID_ARGUMENT`; and the signal's reason.
   */
  async receive(options: ReceiveOptions = {}): Promise<ReceivedPacket | undefined> {
    const { signal, maxBytes = DEFAULT_MAX_BYTES, maxDescriptors } = options;
    // With room for nothing, any packet would read as the end of the stream.
    assertBetween('maxBytes', maxBytes, { least: 1, most: MAX_PACKET_BYTES });
    assertBetween('maxDescriptors', maxDescriptors ?? 0, { least: 0, most: MAX_PACKET_DESCRIPTORS });
    if (this.#receiving) throw new NetnsError('NETNS_BUSY', 'another receive is waiting on this connection');
    this.#receiving = true;
    try {
      for (;;) {
        signal?.throwIfAborted();
        this.#assertOpen();
        const packet = receivePacket(this.#fd, maxBytes, maxDescriptors);
        if (packet !== undefined) return isEnd(packet) ? undefined : packet;
        const errno = native().errno();
        if (errno === EAGAIN) await this.#watch.readable(signal);
        else if (errno !== EINTR) throw systemCallError({ operation: 'recvmsg' }, errno);
      }
    } finally {
      this.#receiving = false;
    }
  }

  /** Closes the socket at once; packets already sent still arrive. Pending calls end with `NETNS_CLOSED`. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch.close();
    closeDescriptor(this.#fd);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  #assertOpen(): void {
    if (this.#closed) throw new NetnsError('NETNS_CLOSED', 'the connection is closed');
  }
}

/**
 * Connects to the SEQPACKET socket at `path`, waiting while its backlog is full.
 * @throws {NetnsError} `NETNS_GONE` (ENOENT), `NETNS_SYSTEM_CALL` (ECONNREFUSED: nobody listens), `NETNS_PERMISSION`,
 * `NETNS_INVALID_ARGUMENT` (path too long), `NETNS_UNSUPPORTED`; and the signal's reason.
 */
export async function connectSeqpacket(
  path: string,
  options: { readonly signal?: AbortSignal } = {},
): Promise<SeqpacketConnection> {
  const { signal } = options;
  signal?.throwIfAborted();
  const about = { operation: 'connect', subject: path, remedy: 'does the other side listen there?' };
  const address = encodeUnixAddress(path);
  const fd = openSeqpacket();
  try {
    for (;;) {
      if (native().connect(fd, address, address.length) === 0) break;
      const errno = native().errno();
      if (errno === EAGAIN) {
        await sleep(BACKLOG_RETRY_MS, undefined, signal === undefined ? {} : { signal });
      } else if (errno === EINPROGRESS) {
        await finishConnecting(fd, signal);
        break;
      } else if (errno !== EINTR) {
        throw systemCallError(about, errno);
      }
    }
    return new SeqpacketConnection(fd);
  } catch (error) {
    closeDescriptor(fd);
    signal?.throwIfAborted();
    throw error;
  }
}

/** A new SEQPACKET socket, non-blocking and closed on exec. @throws {NetnsError} `NETNS_SYSTEM_CALL`. */
export function openSeqpacket(): number {
  return checked(native().socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), { operation: 'socket' });
}

/** `struct sockaddr_un`. @throws {NetnsError} `NETNS_INVALID_ARGUMENT` if the path does not fit. */
export function encodeUnixAddress(path: string): Buffer {
  const text = Buffer.from(path);
  if (text.length === 0 || text.length > MAX_PATH_BYTES || text.includes(0))
    throw new NetnsError(
      'NETNS_INVALID_ARGUMENT',
      `socket path of ${text.length} bytes: ${path} (want 1 to ${MAX_PATH_BYTES}, without zero bytes)`,
    );
  const address = Buffer.alloc(SOCKADDR_UN.path + text.length + 1);
  address.writeUInt16LE(AF_UNIX, SOCKADDR_UN.family);
  address.set(text, SOCKADDR_UN.path);
  return address;
}

function isEnd({ bytes, fds, truncated }: ReceivedPacket): boolean {
  return bytes.length === 0 && fds.length === 0 && !truncated;
}

function assertBetween(name: string, value: number, range: { readonly least: number; readonly most: number }): void {
  if (Number.isInteger(value) && value >= range.least && value <= range.most) return;
  throw new NetnsError('NETNS_INVALID_ARGUMENT', `${name} ${value}: want ${range.least} to ${range.most}`);
}

async function finishConnecting(fd: number, signal: AbortSignal | undefined): Promise<void> {
  const watch = new ReadinessWatch(fd);
  try {
    await watch.writable(signal);
  } finally {
    watch.close();
  }
  const errno = takePendingError(fd);
  if (errno !== 0) throw systemCallError({ operation: 'connect' }, errno);
}
