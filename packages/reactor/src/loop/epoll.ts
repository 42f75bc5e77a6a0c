import { ReactorError } from '../errors.ts';
import type { Arena } from '../memory/arena.ts';
import { EINTR, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD } from '../native/kernel-constants.ts';
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
  readonly #descriptor: number;
  readonly #events: number;
  readonly #change: number;
  /** By token. */
  readonly #watchers: (Watcher | undefined)[] = [];
  readonly #descriptors: number[] = [];
  readonly #free: number[] = [];
  readonly #givenBack: number[] = [];
  #watched = 0;

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

  /** Answers a token for `change` and `remove`, or the negated errno. The descriptor stays the caller's. */
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

  /** Other events, or another watcher. With EPOLLET the ones that hold now are told again. */
  change(token: number, events: number, watcher: Watcher): number {
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

  /** Waits for `timeoutMs` at most and tells the watchers. Answers how many events there were. @throws {ReactorError} `REACTOR_SYSTEM_CALL` */
  wait(timeoutMs: number): number {
    for (const token of this.#givenBack) this.#free.push(token);
    this.#givenBack.length = 0;
    const count = this.#calls.epollWait(this.#descriptor, this.#events, MOST_EVENTS, timeoutMs);
    if (count === -EINTR) return 0;
    return checked(count, 'epoll_wait');
  }

  /** Tells the watchers of the first `count` events of the last `wait`. */
  tell(count: number): void {
    const { view } = this.#arena;
    const { size, events, data } = this.#calls.epollEvent;
    for (let index = 0, at = this.#events; index < count; index++, at += size)
      this.#watchers[view.getUint32(at + data, true)]?.ready(view.getUint32(at + events, true));
  }

  close(): void {
    this.#calls.close(this.#descriptor);
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

function checked(result: number, operation: string): number {
  if (result < 0)
    throw new ReactorError('REACTOR_SYSTEM_CALL', `${operation} failed with errno ${-result}`, { operation });
  return result;
}
