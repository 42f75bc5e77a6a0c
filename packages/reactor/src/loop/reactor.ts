// Not the global, which is a getter and was 1 % of a request of 1 KiB.
import { performance } from 'node:perf_hooks';
import { closedError, ReactorError } from '../errors.ts';
import { Arena } from '../memory/arena.ts';
import { SLAB_BYTES, SlabPool } from '../memory/slab-pool.ts';
import { EPOLLIN } from '../native/kernel-constants.ts';
import { checked } from '../native/system-call-error.ts';
import { SystemCalls } from '../native/system-calls.ts';
import { Epoll } from './epoll.ts';
import { ReadMemory } from './read-memory.ts';
import { Timers } from './timers.ts';
import { TurnHistogram } from './turn-histogram.ts';
import { TurnQueue } from './turn-queue.ts';

/** A socket with bytes to hand to the kernel. */
export interface Flushable {
  flush(): void;
}

/** A socket that was written memory which it may use only until the memory is read into again. */
export interface Borrower {
  /** Hands what was lent to the kernel, and copies what it does not take. Calls nobody back. */
  settle(): void;
}

/** A connection that had its share of this turn, and has more to do. */
export interface Unfinished {
  goOn(): void;
}

/** Limits of a reactor; each is for one thread. */
export interface ReactorOptions {
  /** Bytes of the slabs in which unsent bytes wait, together; default 256 MiB. No page of it is resident before it is used. */
  readonly slabBytes?: number;
  /** Traps misuse of memory: free slabs are filled, and looked at before they are used again. Slow. */
  readonly debug?: boolean;
}

const DEFAULT_SLAB_BYTES = 268_435_456;
/** The rest of the arena: what is read into, vectors, events, addresses. */
const FIXED_BYTES = 4_194_304;
/** Rounds at the end of one turn; what is asked for after them is done in the next one, which does not wait. */
const MOST_ROUNDS = 8;
/** The longest sleep: a thread whose wake-up was lost looks after itself again. */
export const LONGEST_WAIT_MS = 100;
const WAKE_BYTES = 8;

/**
 * The loop of one thread: epoll, timers, memory, and what is due at the end of a turn. Nothing here waits for Node's event
 * loop, and nothing is asynchronous: `turn` does what there is to do and returns.
 */
export class Reactor {
  readonly arena: Arena;
  readonly slabs: SlabPool;
  readonly calls: SystemCalls;
  readonly epoll: Epoll;
  /** What sockets and TLS read into, turn by turn. */
  readonly readMemory: ReadMemory;
  readonly turns = new TurnHistogram();
  /** Write 8 octets (a 64-bit 1) to wake a thread that waits: an eventfd(2). */
  readonly wakeDescriptor: number;
  readonly #timers = new Timers();
  readonly #wakeMemory: number;
  readonly #callbacks = new TurnQueue<() => void>((callback) => callback());
  readonly #dirty = new TurnQueue<Flushable>((socket) => socket.flush());
  readonly #borrowers = new TurnQueue<Borrower>((borrower) => borrower.settle());
  readonly #unfinished = new TurnQueue<Unfinished>((connection) => connection.goOn());
  #now = performance.now();
  #closed = false;
  #turning = false;

  /**
   * What was opened is closed again if it throws.
   * @throws {ReactorError} `REACTOR_UNSUPPORTED`, `REACTOR_INVALID_ARGUMENT`, `REACTOR_MEMORY_EXHAUSTED`,
   * `REACTOR_SYSTEM_CALL`
   */
  constructor(options: ReactorOptions = {}) {
    const slabs = Math.ceil((options.slabBytes ?? DEFAULT_SLAB_BYTES) / SLAB_BYTES);
    if (!(slabs >= 1))
      throw new ReactorError('REACTOR_INVALID_ARGUMENT', `slabBytes is ${options.slabBytes}: want a positive number`);
    this.arena = new Arena(FIXED_BYTES + slabs * SLAB_BYTES);
    const opened: (() => void)[] = [() => this.arena.close()];
    try {
      this.calls = new SystemCalls(this.arena);
      this.epoll = new Epoll(this.arena, this.calls);
      opened.push(() => this.epoll.close());
      this.readMemory = new ReadMemory(this.arena);
      this.slabs = new SlabPool(this.arena, slabs, options.debug);
      this.#wakeMemory = this.arena.reserve(WAKE_BYTES);
      const descriptor = checked(this.calls.eventDescriptor(), 'eventfd');
      this.wakeDescriptor = descriptor;
      opened.push(() => void this.calls.close(descriptor));
      const ready = (): void => void this.calls.read(descriptor, this.#wakeMemory, WAKE_BYTES);
      checked(this.epoll.add(descriptor, EPOLLIN, { ready }), 'epoll_ctl');
    } catch (error) {
      for (const close of opened.toReversed()) close();
      throw error;
    }
  }

  /** There are no turns any more, and no memory. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Monotonic milliseconds, read once a turn. */
  now(): number {
    return this.#now;
  }

  /** Calls once after `ms` milliseconds, in a turn; in the next one, if `ms` is not positive. */
  after(ms: number, callback: () => void): { cancel(): void } {
    // Not from the beginning of this turn: it may have been a long one.
    return this.#timers.add(performance.now() + ms, callback);
  }

  /** Calls at the end of this turn, before the flushes. */
  atEndOfTurn(callback: () => void): void {
    this.#callbacks.add(callback);
  }

  /** Flushes at the end of this turn; to be called once a turn. @throws {ReactorError} `REACTOR_CLOSED` */
  flushAtEnd(socket: Flushable): void {
    if (this.#closed) throw closedError();
    this.#dirty.add(socket);
  }

  /** `borrower.settle` is called before memory is read into again, and at the end of the turn at the latest. */
  lend(borrower: Borrower): void {
    this.#borrowers.add(borrower);
  }

  /** To be called by whoever is about to read into `readMemory`. */
  settle(): void {
    if (this.#borrowers.waiting > 0) this.#borrowers.run();
  }

  /** `goOn` is called in the next turn, which does not wait. */
  goOnNextTurn(connection: Unfinished): void {
    this.#unfinished.add(connection);
  }

  /**
   * One turn: waits `timeoutMs` at most for something to do, does it, and what is due at its end. What a callback throws
   * comes out of it; the others are called in the next turn, which does not wait.
   * @throws {ReactorError} `REACTOR_SYSTEM_CALL`; `REACTOR_CLOSED` after `close`; `REACTOR_IN_TURN`, and nothing was done
   */
  turn(timeoutMs: number = LONGEST_WAIT_MS): void {
    if (this.#closed) throw closedError();
    this.requireBetweenTurns('turn');
    this.#turning = true;
    try {
      this.#take(timeoutMs);
    } finally {
      this.#turning = false;
    }
  }

  #take(timeoutMs: number): void {
    this.epoll.wait(this.#patience(timeoutMs));
    const start = performance.now();
    this.#now = start;
    // Those that go on in this turn are behind all that became ready, and those that ask in this turn wait for the next.
    const unfinished = this.#unfinished.waiting;
    this.#timers.fire(start);
    this.epoll.tell();
    if (unfinished > 0) this.#unfinished.run(unfinished);
    this.#end();
    this.turns.add(performance.now() - start);
  }

  /** @throws {ReactorError} `REACTOR_IN_TURN` from inside of a turn: its memory, events and queues are in use. */
  requireBetweenTurns(method: string): void {
    if (!this.#turning) return;
    throw new ReactorError(
      'REACTOR_IN_TURN',
      `${method} was called from inside of a turn (by a callback? What is asked for there is done in this turn or the next)`,
    );
  }

  /**
   * Nothing is told any more; whoever has a descriptor closes it before. Idempotent.
   * @throws {ReactorError} `REACTOR_IN_TURN`, and nothing was closed
   */
  close(): void {
    if (this.#closed) return;
    this.requireBetweenTurns('close');
    this.#closed = true;
    this.epoll.close();
    this.calls.close(this.wakeDescriptor);
    this.arena.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #patience(timeoutMs: number): number {
    if (this.#unfinished.waiting > 0 || this.#dueAtEnd() > 0) return 0;
    const untilTimer = Math.ceil(this.#timers.next - performance.now());
    return Math.max(0, Math.min(timeoutMs, untilTimer, LONGEST_WAIT_MS));
  }

  /** What is due at the end of a turn. */
  #dueAtEnd(): number {
    return this.#callbacks.waiting + this.#borrowers.waiting + this.#dirty.waiting;
  }

  #end(): void {
    for (let round = 1; round <= MOST_ROUNDS && this.#dueAtEnd() > 0; round++) {
      if (this.#callbacks.waiting > 0) this.#callbacks.run();
      // What a callback has asked for may be written in this round, too; but writing waits for no endless ones.
      if (this.#callbacks.waiting > 0 && round < MOST_ROUNDS) continue;
      this.settle();
      if (this.#dirty.waiting > 0) this.#dirty.run();
    }
    this.settle();
  }
}
