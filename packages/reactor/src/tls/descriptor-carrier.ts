import type { ConnectionFailure, SocketAddress } from '@ambientmesh/hbone';
import type { Watcher } from '../loop/epoll.ts';
import { EAGAIN, ENOBUFS, ENOTCONN, EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT } from '../native/kernel-constants.ts';
import { Outgoing } from '../sockets/outgoing.ts';
import { socketShare } from '../sockets/socket-share.ts';
import { systemFailure } from '../sockets/system-failure.ts';
import { type Carrier, type CarrierOwner, ENDED, NO_OWNER } from './carrier.ts';
import { SCRATCH_BYTES, type TlsThread } from './tls-thread.ts';

const GONE_EVENTS = EPOLLERR | EPOLLHUP;
/** Reads of SCRATCH_BYTES by which a closing socket is emptied at a time. */
const MOST_DROPS = 8;

/**
 * A connected, non-blocking TCP socket under TLS. Watched level-triggered: what one turn's share leaves is told again.
 */
export class DescriptorCarrier implements Carrier, Watcher {
  owner: CarrierOwner = NO_OWNER;
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  readonly #tls: TlsThread;
  readonly #outgoing: Outgoing;
  #descriptor: number;
  #token = -1;
  #events = 0;
  #reading = false;
  #ending = false;
  #shutDown = false;
  /** Why nothing can be written any more. */
  #failure: ConnectionFailure | undefined;

  /** Takes the descriptor over. With `lost` it is gone already, which the owner is told at the end of the turn. */
  constructor(
    tls: TlsThread,
    descriptor: number,
    { local, remote }: { readonly local: SocketAddress; readonly remote: SocketAddress },
    lost?: ConnectionFailure,
  ) {
    this.#tls = tls;
    this.#descriptor = descriptor;
    this.local = local;
    this.remote = remote;
    this.#outgoing = new Outgoing(tls.reactor, socketShare(tls.reactor));
    if (lost !== undefined) this.#fail(lost);
  }

  get queued(): number {
    return this.#outgoing.bytes;
  }

  fill(most: number): number | ConnectionFailure {
    if (this.#descriptor < 0) return 0;
    const { intake, reactor } = this.#tls;
    const { address, length } = intake.space;
    const bytes = reactor.calls.readLent(this.#descriptor, address, Math.min(length, most));
    if (bytes > 0) intake.added(bytes);
    return outcomeOfRead(bytes);
  }

  read(at: number, most: number): number | ConnectionFailure {
    if (this.#descriptor < 0) return 0;
    return outcomeOfRead(this.#tls.reactor.calls.read(this.#descriptor, at, most));
  }

  watch(reading: boolean): void {
    this.#reading = reading;
    this.#watch();
  }

  drain(): void {
    const { wire, openSsl, reactor, scratch } = this.#tls;
    if (this.#failure !== undefined || this.#descriptor < 0) return wire.discard();
    let full = this.#outgoing.bytes > 0;
    for (let lent = wire.waiting(); lent.length > 0; lent = wire.waiting()) {
      if (!full) {
        const written = reactor.calls.writeLent(this.#descriptor, lent.address, lent.length);
        if (written > 0) wire.take(written);
        if (written < 0 && written !== -EAGAIN) return this.#failToDrain(systemFailure(-written));
        full = written < lent.length;
        if (written > 0) continue;
      }
      const length = Math.min(lent.length, SCRATCH_BYTES);
      // Half of what is spared: who had room, and so gathered a record, is not cut for what others took meanwhile.
      openSsl.copyIn(scratch, lent.address, length);
      wire.take(length);
      if (!this.#outgoing.copy(reactor.arena.bytes, scratch, scratch + length, reactor.slabs.spare / 2))
        return this.#failToDrain(
          systemFailure(ENOBUFS, 'all slabs for unsent bytes are taken (raise slabBytes of the reactor?)'),
        );
    }
    this.#watch();
  }

  end(): void {
    this.#ending = true;
    this.#shutDownOnceSent();
  }

  drop(): boolean {
    const { reactor, scratch } = this.#tls;
    for (let count = 0; count < MOST_DROPS; count++) {
      const bytes = reactor.calls.read(this.#descriptor, scratch, SCRATCH_BYTES);
      if (bytes > 0) continue;
      return bytes !== -EAGAIN;
    }
    return false;
  }

  close(): void {
    const descriptor = this.#descriptor;
    this.owner = NO_OWNER;
    this.#outgoing.drop();
    if (descriptor < 0) return;
    this.#descriptor = -1;
    if (this.#token >= 0) this.#tls.reactor.epoll.remove(this.#token);
    this.#tls.reactor.calls.close(descriptor);
  }

  cut(): void {
    this.close();
  }

  reset(): void {
    if (this.#descriptor >= 0) this.#tls.reactor.calls.resetOnClose(this.#descriptor);
    this.close();
  }

  ready(events: number): void {
    if (events & EPOLLOUT && this.#outgoing.bytes > 0) this.#send();
    if (this.#descriptor < 0) return;
    if (this.#reading) this.owner.readable();
    else if (events & GONE_EVENTS) {
      const error = this.#tls.reactor.calls.takeError(this.#descriptor);
      this.owner.lost(this.#failure ?? systemFailure(error === 0 ? ENOTCONN : error));
    }
  }

  #send(): void {
    const before = this.#outgoing.bytes;
    const result = this.#outgoing.send(this.#descriptor);
    if (result < 0 && result !== -EAGAIN) return this.#fail(systemFailure(-result));
    this.#watch();
    this.#shutDownOnceSent();
    if (this.#outgoing.bytes < before) this.owner.sent();
  }

  #shutDownOnceSent(): void {
    if (!this.#ending || this.#shutDown || this.#outgoing.bytes > 0 || this.#descriptor < 0) return;
    this.#shutDown = true;
    this.#tls.reactor.calls.shutdown(this.#descriptor);
  }

  #watch(): void {
    if (this.#descriptor < 0) return;
    const events = (this.#reading ? EPOLLIN : 0) | (this.#outgoing.bytes > 0 ? EPOLLOUT : 0);
    if (this.#token < 0) {
      const token = this.#tls.reactor.epoll.add(this.#descriptor, events, this);
      if (token < 0) return this.#fail(systemFailure(-token, 'epoll_ctl (is fs.epoll.max_user_watches reached?)'));
      this.#token = token;
    } else if (events !== this.#events) this.#tls.reactor.epoll.change(this.#token, events, this);
    this.#events = events;
  }

  #failToDrain(failure: ConnectionFailure): void {
    this.#tls.wire.discard();
    this.#fail(failure);
  }

  /** Told at the end of the turn, behind what can still be read: an alert says more than the reset that follows it. */
  #fail(failure: ConnectionFailure): void {
    if (this.#failure !== undefined) return;
    this.#failure = failure;
    this.#outgoing.drop();
    this.#tls.reactor.atEndOfTurn(() => {
      if (this.#descriptor >= 0 && this.#reading) this.owner.readable();
      this.owner.lost(failure);
    });
  }
}

function outcomeOfRead(result: number): number | ConnectionFailure {
  if (result > 0) return result;
  if (result === 0) return ENDED;
  return result === -EAGAIN ? 0 : systemFailure(-result);
}
