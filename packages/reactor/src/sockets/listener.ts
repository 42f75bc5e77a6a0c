import { constants } from 'node:os';
import type { Acceptor, ConnectionFailure, Listening } from '@ambientmesh/hbone';
import type { Watcher } from '../loop/epoll.ts';
import type { Reactor } from '../loop/reactor.ts';
import {
  EAGAIN,
  ECONNABORTED,
  EINTR,
  EMFILE,
  ENFILE,
  ENOBUFS,
  ENOMEM,
  EPOLLIN,
  IPPROTO_TCP,
  TCP_NODELAY,
} from '../native/kernel-constants.ts';
import { ReactorPlain } from './reactor-plain.ts';
import { readSocketAddress, SOCKET_ADDRESS_BYTES } from './socket-address.ts';
import { type SocketShare, socketShare } from './socket-share.ts';
import { systemFailure } from './system-failure.ts';

/** Connections taken in one turn: those that run have theirs in between. */
const ACCEPTS_PER_TURN = 64;
/** How long accepting pauses when something is exhausted. */
const PAUSE_MS = 100;

/** Accepting pauses long before connections that have many slabs get no more: at a quarter. */
const ACCEPTING_SPARES = 4;

/** What tells of a connection that was lost before it was taken; pending errors of the network among them. accept(2) */
const LOST: ReadonlySet<number> = new Set([
  EINTR,
  ECONNABORTED,
  constants.errno.EPERM,
  constants.errno.EPROTO,
  constants.errno.EOPNOTSUPP,
  constants.errno.ENOPROTOOPT,
  constants.errno.ENETDOWN,
  constants.errno.ENETUNREACH,
  constants.errno.EHOSTUNREACH,
]);
/** What to do about what is exhausted. */
const ADVICE: ReadonlyMap<number, string> = new Map([
  [EMFILE, 'accepting pauses until descriptors are free (raise the limit of open files?)'],
  [ENFILE, 'accepting pauses until descriptors are free (raise fs.file-max?)'],
  [ENOMEM, 'accepting pauses until the kernel has memory'],
  [ENOBUFS, 'accepting pauses until the kernel has memory'],
]);
const NOWHERE = { ip: '', port: 0 };

/**
 * Accepts on a listening, non-blocking descriptor, which it takes over. While descriptors or memory are exhausted it pauses:
 * connections wait in the kernel, and those that run go on.
 */
export class ReactorListener implements Listening, Watcher {
  readonly #reactor: Reactor;
  readonly #share: SocketShare;
  readonly #acceptor: Acceptor;
  #descriptor: number;
  #token = -1;
  #pause: { cancel(): void } | undefined;
  /** The acceptor knows of the episode that goes on. */
  #told = false;
  /** The descriptors that are left are kept for the connections there are. */
  #spared = false;

  constructor(reactor: Reactor, descriptor: number, acceptor: Acceptor) {
    this.#reactor = reactor;
    this.#share = socketShare(reactor);
    this.#acceptor = acceptor;
    this.#descriptor = descriptor;
    // Those that are accepted inherit it.
    reactor.calls.setOption(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
    this.#watch();
  }

  close(): void {
    if (this.#descriptor < 0) return;
    this.#pause?.cancel();
    this.#unwatch();
    this.#reactor.calls.close(this.#descriptor);
    this.#descriptor = -1;
  }

  ready(): void {
    for (let count = 0; count < ACCEPTS_PER_TURN && this.#descriptor >= 0; count++) {
      const scarce = this.#scarceMemory() ?? this.#scarceDescriptors();
      if (scarce !== undefined) return this.#rest(scarce);
      const result = this.#accept();
      if (result >= 0 || LOST.has(-result)) continue;
      if (result !== -EAGAIN) return this.#rest(systemFailure(-result, ADVICE.get(-result)));
      break;
    }
    if (!this.#told) return;
    this.#told = false;
    this.#acceptor.resumed?.();
  }

  /** A connection handed over, or the negated errno. */
  #accept(): number {
    const { calls, arena } = this.#reactor;
    const at = this.#share.address;
    const descriptor = calls.accept(this.#descriptor, at, SOCKET_ADDRESS_BYTES);
    if (descriptor < 0) return descriptor;
    this.#spared = descriptor >= this.#share.descriptorLimit;
    const remote = readSocketAddress(arena, at);
    const local = calls.socketName(descriptor, at, SOCKET_ADDRESS_BYTES) < 0 ? NOWHERE : readSocketAddress(arena, at);
    const plain = new ReactorPlain(this.#reactor, descriptor, { local, remote });
    // Reset before it was accepted: the kernel no longer knows the peer.
    if (remote.ip === '') plain.reset();
    else this.#acceptor.accepted(plain);
    return descriptor;
  }

  /** More connections would take the memory of those there are. */
  #scarceMemory(): ConnectionFailure | undefined {
    const { left, spare, taken } = this.#reactor.slabs;
    if (left >= ACCEPTING_SPARES * spare) return undefined;
    return { code: 'ENOMEM', message: `${taken} of ${left + taken} slabs for unsent bytes are taken (slow readers?)` };
  }

  /** The kernel gives the lowest number that is free: one that was just given tells how many are left. */
  #scarceDescriptors(): ConnectionFailure | undefined {
    if (!this.#spared) return undefined;
    const { calls } = this.#reactor;
    const descriptor = calls.eventDescriptor();
    if (descriptor >= 0) calls.close(descriptor);
    this.#spared = descriptor < 0 || descriptor >= this.#share.descriptorLimit;
    return this.#spared ? systemFailure(EMFILE, ADVICE.get(EMFILE)) : undefined;
  }

  #rest(failure: ConnectionFailure): void {
    this.#unwatch();
    this.#pause = this.#reactor.after(PAUSE_MS, () => {
      this.#pause = undefined;
      this.#watch();
    });
    if (this.#told) return;
    this.#told = true;
    this.#acceptor.failed(failure);
  }

  #watch(): void {
    const token = this.#reactor.epoll.add(this.#descriptor, EPOLLIN, this);
    if (token >= 0) this.#token = token;
    // Not from inside the constructor.
    else this.#pause = this.#reactor.after(0, () => this.#rest(systemFailure(-token, ADVICE.get(-token))));
  }

  #unwatch(): void {
    if (this.#token >= 0) this.#reactor.epoll.remove(this.#token);
    this.#token = -1;
  }
}
