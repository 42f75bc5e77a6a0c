import type { Arena } from '../memory/arena.ts';
import { EBADF, EINTR, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD } from '../native/kernel-constants.ts';
import { checked } from '../native/system-call-error.ts';
import type { SystemCalls } from '../native/system-calls.ts';

/** Something that waits for its descriptor. */
export interface Watcher {
  /** `events`: EPOLL*, those that were asked for and EPOLLERR, EPOLLHUP. */
  ready(events: number): void;
}

/** Events taken from the kernel at a time; more wait for the next turn. */
const MOST_EVENTS = 512;

/**
 * The descriptors of a thread and who waits for them. Known to the kernel by tokens that are not used again in the turn
 * in which they were given back: an event of a socket that is closed is never told to the next one of its number.
 */
export class Epoll {
  readonly #arena: Arena;
  readonly #calls: SystemCalls;
  #descriptor: number;
  readonly #events: number;
  readonly #change: number;
  /** By token. */
  readonly #watchers: (Watcher | undefined)[] = [];
  readonly #descriptors: number[] = [];
  readonly #free: number[] = [];
  readonly #givenBack: number[] = [];
  #watched = 0;
  /** Events of the last `wait`, and how many of them were told. */
  #count = 0;
  #told = 0;

  /** @throws {ReactorError} `REACTOR_SYSTEM_CALL` */
  constructor(arena: Arena, calls: SystemCalls) {
    this.#arena = arena;
    this.#calls = calls;
    this.#descriptor = checked(calls.epollCreate(), 'epoll_create1');
    this.#events = arena.reserve(MOST_EVENTS * calls.epollEvent.size);
    this.#change = arena.reserve(calls.epollEvent.size);
  }

  /** Descriptors that are watched. */
  get watched(): number {
    return this.#watched;
  }

  /** Answers a token (0 or more) for `change` and `remove`, or the negated errno. The descriptor stays the caller's. */
  add(fd: number, events: number, watcher: Watcher): number {
    const token = this.#free.pop() ?? this.#watchers.length;
    const result = this.#control(EPOLL_CTL_ADD, fd, events, token);
    if (result < 0) {
      this.#free.push(token);
      this.#watchers[token] = undefined;
      return result;
    }
    this.#watchers[token] = watcher;
    this.#descriptors[token] = fd;
    this.#watched++;
    return token;
  }

  /**
   * Other events, or another watcher; 0 or the negated errno. With EPOLLET the ones that hold now are told again. Not to be
   * called after `remove`.
   */
  change(token: number, events: number, watcher: Watcher): number {
    if (this.#watchers[token] === undefined) return -EBADF;
    this.#watchers[token] = watcher;
    return this.#control(EPOLL_CTL_MOD, this.#descriptors[token] ?? -1, events, token);
  }

  /** To be called before the descriptor is closed. */
  remove(token: number): void {
    if (this.#watchers[token] === undefined) return;
    this.#control(EPOLL_CTL_DEL, this.#descriptors[token] ?? -1, 0, token);
    this.#watchers[token] = undefined;
    this.#givenBack.push(token);
    this.#watched--;
  }

  /** Events that were taken from the kernel, and not told: a watcher threw. */
  get untold(): number {
    return this.#count - this.#told;
  }

  /**
   * Waits for `timeoutMs` at most. Answers how many events there are for `tell`; at once, and without asking the kernel,
   * if some are left from the last time.
   * @throws {ReactorError} `REACTOR_SYSTEM_CALL`
   */
  wait(timeoutMs: number): number {
    if (this.untold > 0) return this.untold;
    // Setting a length is a call into V8's runtime, and this is called once a turn.
    if (this.#givenBack.length > 0) {
      for (const token of this.#givenBack) this.#free.push(token);
      this.#givenBack.length = 0;
    }
    const count = this.#calls.epollWait(this.#descriptor, this.#events, MOST_EVENTS, timeoutMs);
    // A signal has interrupted it: Node's own, or a debugger's.
    this.#count = count === -EINTR ? 0 : checked(count, 'epoll_wait');
    this.#told = 0;
    return this.#count;
  }

  /** Tells the watchers of the events of the last `wait`. If one throws, those behind it are told the next time. */
  tell(): void {
    const { view } = this.#arena;
    const { size, events, data } = this.#calls.epollEvent;
    while (this.#told < this.#count) {
      const at = this.#events + this.#told++ * size;
      this.#watchers[view.getUint32(at + data, true)]?.ready(view.getUint32(at + events, true));
    }
  }

  /** Idempotent. Nobody is told anything after it; the descriptors are their owners'. */
  close(): void {
    if (this.#descriptor < 0) return;
    this.#calls.close(this.#descriptor);
    this.#descriptor = -1;
    this.#watchers.length = 0;
    this.#watched = 0;
    this.#count = this.#told = 0;
  }

  #control(operation: number, fd: number, events: number, token: number): number {
    const { view } = this.#arena;
    const layout = this.#calls.epollEvent;
    view.setUint32(this.#change + layout.events, events, true);
    view.setUint32(this.#change + layout.data, token, true);
    view.setUint32(this.#change + layout.data + 4, 0, true);
    return this.#calls.epollControl(this.#descriptor, operation, fd, this.#change);
  }
}
