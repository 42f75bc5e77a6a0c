import { constants } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import { NetnsError } from './errors.ts';
import {
  F_SETFL,
  F_SETOWN_EX,
  F_SETSIG,
  O_ASYNC,
  O_NONBLOCK,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
} from './kernel-constants.ts';
import { F_OWNER_EX, POLLFD } from './kernel-structs.ts';
import { checked, native, systemCallError } from './native.ts';

/*
 * Node's event loop cannot watch a descriptor it did not make. The kernel can announce readiness by a signal instead
 * (fcntl(2), O_ASYNC): SIGURG, whose default action is to be ignored, so that nothing ends if nobody listens any more;
 * sent to the main thread only, so that blocking calls on other threads are not interrupted. Measured: 0.1-0.2 ms from
 * write to handler, and no thread (a worker that waits in epoll costs 9 MB). Signals do not reach worker threads, there
 * a timer looks instead.
 */
const SIGNAL = 'SIGURG';
const SIGNAL_NUMBER = 23;
/** `F_OWNER_TID`; the main thread's id is the process id. */
const OWNER_THREAD = 0;
/** On the main thread the timer keeps the process alive and is a safety net, should someone remove all signal handlers. */
const MAIN_THREAD_LOOK_MS = 1_000;
const WORKER_LOOK_MS = 10;

/** What the kernel says unasked: the call will fail or end at once, whichever it is. */
const FAILED = POLLERR | POLLHUP | POLLNVAL;

const { EINTR } = constants.errno;

interface Waiter {
  readonly fd: number;
  readonly events: number;
  /** Ready, or never to be. */
  readonly settle: (error?: Error) => void;
}

/** What waits, and what makes it look; one a thread. */
const waiters = new Set<Waiter>();
let openWatches = 0;
let timer: NodeJS.Timeout | undefined;

/**
 * Tells when one descriptor becomes readable or writable, without blocking the event loop. It makes the descriptor
 * non-blocking and does not own it: close the watch first, the descriptor then.
 */
export class ReadinessWatch {
  readonly #fd: number;
  readonly #pending = new Set<(error?: Error) => void>();
  #closed = false;

  /** @throws {NetnsError} `NETNS_SYSTEM_CALL` if the descriptor cannot announce readiness. */
  constructor(fd: number) {
    this.#fd = fd;
    if (isMainThread) announceBySignal(fd);
    openWatches += 1;
    if (isMainThread && openWatches === 1) process.on(SIGNAL, look);
  }

  /**
   * Resolves once reading would not block: bytes, end of stream or an error. Rejects with the signal's reason, `NETNS_CLOSED`,
   * or `NETNS_SYSTEM_CALL` if the kernel does not say.
   */
  readable(signal?: AbortSignal): Promise<void> {
    return this.#wait(POLLIN, signal);
  }

  /** Resolves once writing would not block. Rejects as `readable` does. */
  writable(signal?: AbortSignal): Promise<void> {
    return this.#wait(POLLOUT, signal);
  }

  /** Ends all waits with `NETNS_CLOSED`. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const settle of this.#pending) settle(new NetnsError('NETNS_CLOSED', 'closed while waiting'));
    openWatches -= 1;
    if (isMainThread && openWatches === 0) process.off(SIGNAL, look);
  }

  async #wait(events: number, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.#closed) throw new NetnsError('NETNS_CLOSED', 'closed');
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const settle = (error?: Error): void => (error === undefined ? resolve() : reject(error));
    const waiter: Waiter = { fd: this.#fd, events, settle };
    const onAbort = (): void => {
      const reason: Error = signal?.reason;
      reject(reason);
    };
    this.#pending.add(settle);
    signal?.addEventListener('abort', onAbort);
    addWaiter(waiter);
    try {
      await promise;
    } finally {
      removeWaiter(waiter);
      signal?.removeEventListener('abort', onAbort);
      this.#pending.delete(settle);
    }
  }
}

function announceBySignal(fd: number): void {
  const c = native();
  const owner = Buffer.alloc(F_OWNER_EX.size);
  owner.writeInt32LE(OWNER_THREAD, F_OWNER_EX.type);
  owner.writeInt32LE(process.pid, F_OWNER_EX.pid);
  const about = { operation: 'fcntl', subject: `descriptor ${fd}` };
  checked(c.fcntlBytes(fd, F_SETOWN_EX, owner), about);
  checked(c.fcntl(fd, F_SETSIG, SIGNAL_NUMBER), about);
  checked(c.fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK), about);
}

function addWaiter(waiter: Waiter): void {
  waiters.add(waiter);
  timer ??= setInterval(look, isMainThread ? MAIN_THREAD_LOOK_MS : WORKER_LOOK_MS);
  // It may have become ready between the caller's attempt and now.
  pollOnce([waiter]);
}

function removeWaiter(waiter: Waiter): void {
  waiters.delete(waiter);
  if (waiters.size > 0) return;
  clearInterval(timer);
  timer = undefined;
}

function look(): void {
  if (waiters.size > 0) pollOnce([...waiters]);
}

function pollOnce(looked: readonly Waiter[]): void {
  // poll(2) takes no more entries than descriptors may be open, and many may wait for one.
  const wanted = new Map<number, number>();
  for (const { fd, events } of looked) wanted.set(fd, (wanted.get(fd) ?? 0) | events);
  const entries = Buffer.alloc(wanted.size * POLLFD.size);
  let at = 0;
  for (const [fd, events] of wanted) {
    entries.writeInt32LE(fd, at + POLLFD.fd);
    entries.writeInt16LE(events, at + POLLFD.events);
    at += POLLFD.size;
  }
  const ready = native().poll(entries, wanted.size, 0);
  if (ready < 0) return refuse(looked, native().errno());
  if (ready === 0) return;
  const returned = readReturned(entries);
  for (const { fd, events, settle } of looked) if (((returned.get(fd) ?? 0) & (events | FAILED)) !== 0) settle();
}

function readReturned(entries: Buffer): ReadonlyMap<number, number> {
  const returned = new Map<number, number>();
  for (let at = 0; at < entries.length; at += POLLFD.size)
    returned.set(entries.readInt32LE(at + POLLFD.fd), entries.readInt16LE(at + POLLFD.returnedEvents));
  return returned;
}

/** Who waits for an answer that never comes hangs; the next look, only after EINTR, may have one. */
function refuse(looked: readonly Waiter[], errno: number): void {
  if (errno === EINTR) return;
  const error = systemCallError({ operation: 'poll', subject: `of ${looked.length} waiting calls` }, errno);
  for (const { settle } of looked) settle(error);
}
