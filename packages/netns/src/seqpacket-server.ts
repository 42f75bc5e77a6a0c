import { lstatSync, unlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { closeDescriptor } from './descriptors.ts';
import { SOCK_CLOEXEC, SOCK_NONBLOCK } from './kernel-constants.ts';
import { checked, native, systemCallError } from './native.ts';
import { fileCall } from './node-error.ts';
import { ReadinessWatch } from './readiness-watch.ts';
import { encodeUnixAddress, openSeqpacket, SeqpacketConnection } from './seqpacket-connection.ts';

const BACKLOG = 128;
/** Pause before accepting again when descriptors or memory ran out: the waiting connection stays readable meanwhile. */
const EXHAUSTED_RETRY_MS = 100;

const { EAGAIN, EINTR, ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM } = constants.errno;
const EXHAUSTED: ReadonlySet<number> = new Set([EMFILE, ENFILE, ENOBUFS, ENOMEM]);

/**
 * A listening SEQPACKET socket, made by `listenSeqpacket`; iterate it, or call `accept`. There is no `abort`: `close` waits
 * for nothing, and connections are their owners'.
 */
export class SeqpacketServer implements AsyncDisposable {
  readonly path: string;
  readonly #fd: number;
  readonly #watch: ReadinessWatch;
  readonly #inode: bigint;
  readonly #closing = new AbortController();

  /** Takes over a listening socket bound to `path`; `signal` closes it. Not part of the API, which exports only the type. */
  constructor(fd: number, path: string, signal?: AbortSignal) {
    this.path = path;
    this.#fd = fd;
    this.#inode = fileCall({ operation: 'look at', subject: path }, () => lstatSync(path, { bigint: true }).ino);
    this.#watch = new ReadinessWatch(fd);
    // A signal may outlive many servers: closing takes the listener off.
    signal?.addEventListener('abort', () => this.close(), { signal: this.#closing.signal });
  }

  /**
   * The next connection, owned by the caller; undefined once the server is closed. Waits while descriptors or memory have run out.
   * @throws the signal's reason; {NetnsError} `NETNS_SYSTEM_CALL`.
   */
  async accept(options: { readonly signal?: AbortSignal } = {}): Promise<SeqpacketConnection | undefined> {
    for (;;) {
      options.signal?.throwIfAborted();
      if (this.#closing.signal.aborted) return undefined;
      const fd = native().accept4(this.#fd, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0) return adopt(fd);
      const errno = native().errno();
      if (errno === EAGAIN) await this.#wait(options.signal);
      else if (EXHAUSTED.has(errno)) await this.#pause(options.signal);
      else if (errno !== EINTR && errno !== ECONNABORTED)
        throw systemCallError({ operation: 'accept', subject: this.path }, errno);
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<SeqpacketConnection, void, undefined> {
    for (;;) {
      const connection = await this.accept();
      if (connection === undefined) return;
      yield connection;
    }
  }

  /**
   * Stops listening and removes the socket file if it is still this server's (and may be removed: privileges may have been given
   * up meanwhile). Accepted connections go on. Idempotent, never throws.
   */
  close(): void {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#watch.close();
    closeDescriptor(this.#fd);
    try {
      // A successor may have bound the same path by now.
      if (lstatSync(this.path, { bigint: true, throwIfNoEntry: false })?.ino === this.#inode) unlinkSync(this.path);
    } catch {
      // The next server replaces it, or says why it cannot.
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  async #wait(signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#watch.readable(signal);
    } catch (error) {
      if (!this.#closing.signal.aborted) throw error;
    }
  }

  async #pause(signal: AbortSignal | undefined): Promise<void> {
    const ending = signal === undefined ? this.#closing.signal : AbortSignal.any([this.#closing.signal, signal]);
    try {
      await sleep(EXHAUSTED_RETRY_MS, undefined, { signal: ending });
    } catch (error) {
      if (!ending.aborted) throw error;
    }
  }
}

/**
 * Listens on `path`, replacing a socket file that is already there. `signal` closes the server when it aborts.
 * @throws {NetnsError} `NETNS_GONE` (no such folder), `NETNS_PERMISSION` (the folder, or a socket that is there), `NETNS_ADDRESS_IN_USE`
 * (the path is no socket), `NETNS_SYSTEM_CALL` (ENOTDIR …),
 * `NETNS_INVALID_ARGUMENT` (path too long), `NETNS_UNSUPPORTED`; and the signal's reason.
 */
export function listenSeqpacket(path: string, options: { readonly signal?: AbortSignal } = {}): SeqpacketServer {
  const { signal } = options;
  signal?.throwIfAborted();
  const address = encodeUnixAddress(path);
  const fd = openSeqpacket();
  try {
    removeStaleSocket(path);
    const remedy = 'is the folder there and writable, and the path free?';
    checked(native().bind(fd, address, address.length), { operation: 'bind', subject: path, remedy });
    checked(native().listen(fd, BACKLOG), { operation: 'listen', subject: path });
    return new SeqpacketServer(fd, path, signal);
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
}

function removeStaleSocket(path: string): void {
  const about = { operation: 'look at', subject: path, remedy: 'may this process look into the folder?' };
  const found = fileCall(about, () => lstatSync(path, { throwIfNoEntry: false }));
  if (found?.isSocket() !== true) return;
  const remedy = 'a socket is there already, and may this process remove it?';
  fileCall({ operation: 'unlink', subject: path, remedy }, () => unlinkSync(path));
}

function adopt(fd: number): SeqpacketConnection {
  try {
    return new SeqpacketConnection(fd);
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
}
