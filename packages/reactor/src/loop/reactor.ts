import { Arena } from '../memory/arena.ts';
import { SlabPool } from '../memory/slab-pool.ts';
import { EPOLLIN } from '../native/kernel-constants.ts';
import { SystemCalls } from '../native/system-calls.ts';
import { Epoll } from './epoll.ts';
import { ReadMemory } from './read-memory.ts';
import { Timers } from './timers.ts';
import { TurnHistogram } from './turn-histogram.ts';

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
const SLAB_BYTES = 16_384;
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
  #now: number;
  #callbacks: (() => void)[] = [];
  #dirty: Flushable[] = [];
  #borrowers: Borrower[] = [];
  #unfinished: Unfinished[] = [];

  /** @throws {ReactorError} `REACTOR_UNSUPPORTED`, `REACTOR_MEMORY_EXHAUSTED`, `REACTOR_SYSTEM_CALL` */
  constructor(options: ReactorOptions = {}) {
    const slabs = Math.ceil((options.slabBytes ?? DEFAULT_SLAB_BYTES) / SLAB_BYTES);
    this.arena = new Arena(FIXED_BYTES + slabs * SLAB_BYTES);
    this.calls = new SystemCalls(this.arena);
    this.epoll = new Epoll(this.arena, this.calls);
    this.readMemory = new ReadMemory(this.arena);
    this.slabs = new SlabPool(this.arena, slabs - 1, options.debug);
    this.#wakeMemory = this.arena.reserve(WAKE_BYTES);
    this.wakeDescriptor = this.calls.eventDescriptor();
    this.epoll.add(this.wakeDescriptor, EPOLLIN, {
      ready: () => void this.calls.read(this.wakeDescriptor, this.#wakeMemory, WAKE_BYTES),
    });
    this.#now = performance.now();
  }

  /** Monotonic milliseconds, read once a turn. */
  now(): number {
    return this.#now;
  }

  /** Calls once after `ms` milliseconds, in a turn. */
  after(ms: number, callback: () => void): { cancel(): void } {
    // Not from the beginning of this turn: it may have been a long one.
    return this.#timers.add(performance.now() + ms, callback);
  }

  /** Calls at the end of this turn, before the flushes. */
  atEndOfTurn(callback: () => void): void {
    this.#callbacks.push(callback);
  }

  /** Flushes at the end of this turn; to be called once a turn. */
  flushAtEnd(socket: Flushable): void {
    this.#dirty.push(socket);
  }

  /** `borrower.settle` is called before memory is read into again, and at the end of the turn at the latest. */
  lend(borrower: Borrower): void {
    this.#borrowers.push(borrower);
  }

  /** To be called by whoever is about to read into `readMemory`. */
  settle(): void {
    if (this.#borrowers.length === 0) return;
    const borrowers = this.#borrowers;
    this.#borrowers = [];
    for (const borrower of borrowers) borrower.settle();
  }

  /** `goOn` is called in the next turn, which does not wait. */
  goOnNextTurn(connection: Unfinished): void {
    this.#unfinished.push(connection);
  }

  /** One turn: waits `timeoutMs` at most for something to do, does it, and what is due at its end. */
  turn(timeoutMs: number = LONGEST_WAIT_MS): void {
    const events = this.epoll.wait(this.#patience(timeoutMs));
    const start = performance.now();
    this.#now = start;
    this.#timers.fire(start);
    const unfinished = this.#unfinished;
    this.#unfinished = [];
    this.epoll.tell(events);
    for (const connection of unfinished) connection.goOn();
    this.#end();
    this.turns.add(performance.now() - start);
  }

  /** Nothing is told any more; whoever has a descriptor closes it before. */
  close(): void {
    this.epoll.close();
    this.calls.close(this.wakeDescriptor);
    this.arena.close();
  }

  #patience(timeoutMs: number): number {
    if (this.#unfinished.length > 0 || this.#callbacks.length > 0 || this.#dirty.length > 0) return 0;
    const untilTimer = Math.ceil(this.#timers.next - performance.now());
    return Math.max(0, Math.min(timeoutMs, untilTimer, LONGEST_WAIT_MS));
  }

  #end(): void {
    for (let round = 0; round < MOST_ROUNDS; round++) {
      if (this.#callbacks.length === 0 && this.#dirty.length === 0 && this.#borrowers.length === 0) return;
      const callbacks = this.#callbacks;
      this.#callbacks = [];
      for (const callback of callbacks) callback();
      // What a callback has asked for may be written in this round, too.
      if (this.#callbacks.length > 0) continue;
      this.settle();
      const dirty = this.#dirty;
      this.#dirty = [];
      for (const socket of dirty) socket.flush();
    }
    this.settle();
  }
}
