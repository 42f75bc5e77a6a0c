import type { Cancellable, ConnectHandler, ConnectionFailure, ConnectOptions, SocketAddress } from '@ambientmesh/hbone';
import { DEADLINE_TEXT } from '@ambientmesh/hbone/engine';
import type { Watcher } from '../loop/epoll.ts';
import type { Reactor } from '../loop/reactor.ts';
import {
  ECONNRESET,
  EINPROGRESS,
  EPOLLERR,
  EPOLLHUP,
  EPOLLOUT,
  IPPROTO_TCP,
  TCP_NODELAY,
} from '../native/kernel-constants.ts';
import { CONNECTION_EVENTS, ReactorPlain } from './reactor-plain.ts';
import { readSocketAddress, SOCKET_ADDRESS_BYTES, writeSocketAddress } from './socket-address.ts';
import { socketShare } from './socket-share.ts';
import { systemFailure } from './system-failure.ts';

const EINVAL = 22;
const DONE_EVENTS = EPOLLOUT | EPOLLERR | EPOLLHUP;

/** Connects an unconnected, non-blocking TCP socket, which it takes over. The outcome is told in a later turn, or at the end of this. */
export function dial(reactor: Reactor, options: ConnectOptions, handler: ConnectHandler): Cancellable {
  return new Dialing(reactor, options, handler);
}

/** A connect under way, until it is connected, failed, timed out or cancelled. */
class Dialing implements Cancellable, Watcher {
  readonly #reactor: Reactor;
  readonly #handler: ConnectHandler;
  readonly #address: number;
  #descriptor: number;
  #token = -1;
  #remote: SocketAddress;
  readonly #timer: Cancellable | undefined;

  constructor(reactor: Reactor, { descriptor, to, timeoutMs }: ConnectOptions, handler: ConnectHandler) {
    this.#reactor = reactor;
    this.#handler = handler;
    this.#descriptor = descriptor;
    this.#remote = to;
    this.#address = socketShare(reactor).address;
    const errno = this.#start(to);
    if (errno !== 0) reactor.atEndOfTurn(() => this.#fail(systemFailure(errno)));
    else this.#timer = reactor.after(timeoutMs, () => this.#fail({ code: 'ETIMEDOUT', message: DEADLINE_TEXT }));
  }

  cancel(): void {
    const descriptor = this.#settle();
    if (descriptor >= 0) this.#close(descriptor);
  }

  ready(events: number): void {
    if ((events & DONE_EVENTS) === 0) return;
    const errno = this.#reactor.calls.takeError(this.#descriptor);
    // Who refuses says ECONNREFUSED. This peer had accepted and reset before we heard of either.
    if (errno === 0 || errno === ECONNRESET) this.#connected(errno);
    else this.#fail(systemFailure(errno));
  }

  /** An errno, or 0. */
  #start(to: SocketAddress): number {
    const { calls, arena, epoll } = this.#reactor;
    const length = writeSocketAddress(arena, this.#address, to);
    if (length === 0) return EINVAL;
    this.#remote = readSocketAddress(arena, this.#address);
    calls.setOption(this.#descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
    const result = calls.connect(this.#descriptor, this.#address, length);
    if (result < 0 && result !== -EINPROGRESS) return -result;
    // A socket that is connected already says so by the first event.
    const token = epoll.add(this.#descriptor, CONNECTION_EVENTS, this);
    if (token < 0) return -token;
    this.#token = token;
    return 0;
  }

  #connected(errno: number): void {
    const { calls, arena } = this.#reactor;
    const at = this.#address;
    const token = this.#token;
    const descriptor = this.#settle();
    const known = calls.socketName(descriptor, at, SOCKET_ADDRESS_BYTES) >= 0;
    const local = known ? readSocketAddress(arena, at) : { ip: '', port: 0 };
    const plain = new ReactorPlain(this.#reactor, descriptor, { local, remote: this.#remote }, token);
    if (errno !== 0) plain.lose(systemFailure(errno));
    this.#handler.connected(plain);
  }

  #fail(failure: ConnectionFailure): void {
    const descriptor = this.#settle();
    if (descriptor < 0) return;
    this.#close(descriptor);
    this.#handler.failed(failure);
  }

  #close(descriptor: number): void {
    if (this.#token >= 0) this.#reactor.epoll.remove(this.#token);
    this.#reactor.calls.close(descriptor);
  }

  /** The descriptor, the first time; -1 after. */
  #settle(): number {
    const descriptor = this.#descriptor;
    this.#descriptor = -1;
    this.#timer?.cancel();
    return descriptor;
  }
}
