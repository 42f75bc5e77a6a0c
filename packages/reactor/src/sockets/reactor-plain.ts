import {
  type ByteSink,
  type ConnectionFailure,
  END,
  type Plain,
  type PlainHandler,
  type SocketAddress,
} from '@ambientmesh/hbone';
import type { Watcher } from '../loop/epoll.ts';
import type { Borrower, Flushable, Reactor, Unfinished } from '../loop/reactor.ts';
import { SLOT_PAYLOAD_BYTES } from '../loop/read-memory.ts';
import {
  EAGAIN,
  ENOBUFS,
  ENOTCONN,
  EPOLLERR,
  EPOLLET,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLPRI,
  EPOLLRDHUP,
} from '../native/kernel-constants.ts';
import { Outgoing } from './outgoing.ts';
import { SlotReader } from './slot-reader.ts';
import { type SocketShare, socketShare } from './socket-share.ts';
import { systemFailure } from './system-failure.ts';

/** Told once each time one of them comes to hold. */
export const CONNECTION_EVENTS = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
/** Something other than the bytes there were may be read, and has no event of its own after this. */
const UNSURE_EVENTS = EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI;
const GONE_EVENTS = EPOLLHUP | EPOLLERR;

const NOBODY: PlainHandler = { readable: () => {}, written: () => {}, failed: () => {} };

/** `open`; `closing` once what is queued was sent; `lost`, which the owner is still to be told; `gone`. */
type State = 'open' | 'closing' | 'lost' | 'gone';

/** The addresses of a connection. */
export interface Ends {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
}

/**
 * `Plain` on a connected, non-blocking TCP socket with TCP_NODELAY. Watched from when there is something to wait for: the
 * kernel tells then what had come before. With `token` it is watched already, for CONNECTION_EVENTS.
 */
export class ReactorPlain implements Plain, Watcher, Flushable, Borrower, Unfinished {
  handler: PlainHandler = NOBODY;
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  readonly #reactor: Reactor;
  readonly #share: SocketShare;
  readonly #reader: SlotReader;
  readonly #outgoing: Outgoing;
  #descriptor: number;
  #token: number;
  #state: State = 'open';
  #failure: ConnectionFailure | undefined;
  /** Nothing was read or written: the descriptor may be handed over. */
  #untouched = true;

  /** The kernel may have bytes for us, or the end. */
  #readable = true;
  /** A short read does not mean that the socket is empty. */
  #unsure = false;
  /** `read` answered 0: the owner waits for `readable`. */
  #awaited = false;
  #ended = false;
  /** There is an error, behind what is to be read. */
  #broken = false;
  /** More of what was read waits behind what is being delivered. */
  #undelivered = false;
  /** To go on in the next turn. */
  #unfinished = false;

  /** The kernel took nothing more: EPOLLOUT follows. */
  #full = false;
  #lent = false;
  #dirty = false;
  /** Bytes the kernel took that the owner is to be told of. */
  #untold = 0;
  /** Bytes that were dropped when the socket was lost: `queued` still has them, for the owner to see in `failed`. */
  #unsent = 0;
  #ending = false;
  #shutDown = false;
  /** Looks whether the peer of a closing socket takes anything. */
  #stall: { cancel(): void } | undefined;

  /** Takes the descriptor over. */
  constructor(reactor: Reactor, descriptor: number, { local, remote }: Ends, token = -1) {
    this.#reactor = reactor;
    this.#share = socketShare(reactor);
    this.#reader = new SlotReader(reactor);
    this.#outgoing = new Outgoing(reactor, this.#share);
    this.#descriptor = descriptor;
    this.#token = token;
    this.local = local;
    this.remote = remote;
    // The connect has told its events to another.
    if (token >= 0 && reactor.epoll.change(token, CONNECTION_EVENTS, this) < 0) this.#token = -1;
  }

  get descriptor(): number {
    return this.#state === 'closing' ? -1 : this.#descriptor;
  }

  get queued(): number {
    return this.#outgoing.bytes + this.#unsent;
  }

  get room(): number {
    return this.#reactor.slabs.share - this.queued;
  }

  read(max: number, sink: ByteSink): number {
    if (this.#state !== 'open' || max <= 0) return 0;
    this.#untouched = false;
    if (this.#ended) return END;
    const most = this.#reader.most(max);
    if (!this.#readable || most <= 0) return this.#await();
    const bytes = this.#reader.receive(this.#descriptor, most);
    if (bytes < 0) {
      this.#readable = false;
      if (bytes !== -EAGAIN) {
        this.lose(systemFailure(-bytes));
        return 0;
      }
      return this.#await();
    }
    if (bytes === 0) {
      this.#readable = false;
      this.#ended = true;
      if (this.#broken) this.#lookAtError();
      return END;
    }
    // What comes after a short read has an event of its own.
    if (bytes < most && !this.#unsure) this.#readable = false;
    this.#deliver(bytes, sink);
    return bytes;
  }

  write(memory: Uint8Array, start: number, end: number): void {
    if (this.#state !== 'open' || this.#ending || start >= end) return;
    this.#untouched = false;
    this.#touch();
    if (memory === this.#reactor.arena.bytes && !this.#full) {
      this.#outgoing.lend(start, end - start);
      if (this.#lent) return;
      this.#lent = true;
      this.#reactor.lend(this);
    } else if (!this.#outgoing.copy(memory, start, end)) this.#loseForMemory();
  }

  end(): void {
    if (this.#state !== 'open' || this.#ending) return;
    this.#untouched = false;
    this.#ending = true;
    this.#touch();
  }

  close(): void {
    if (this.#state === 'closing' && !this.#reactor.closed) return;
    this.handler = NOBODY;
    // Of an engine that is closed nothing leaves any more.
    if (this.#state !== 'open' || this.#reactor.closed) return this.#dispose();
    this.#state = 'closing';
    if (this.#full) this.#watchStall();
    // Not at once, with nothing queued either: `reset` may follow in this turn.
    else this.#touch();
  }

  reset(): void {
    this.#resetOnClose();
    this.handler = NOBODY;
    this.#dispose();
  }

  /**
   * Hands the descriptor over (to TLS): unwatched, nothing of it is kept. `lost` is why it is gone, if nobody was told yet;
   * the descriptor is -1 then. Undefined if it was read from, written to, or is gone.
   */
  release(): { readonly descriptor: number; readonly lost?: ConnectionFailure } | undefined {
    if (!this.#untouched || this.#state === 'closing' || this.#state === 'gone') return undefined;
    const lost = this.#failure;
    const descriptor = this.#descriptor;
    this.#descriptor = -1;
    this.#unwatch();
    this.#state = 'gone';
    return lost === undefined ? { descriptor } : { descriptor, lost };
  }

  /** The socket is gone: everything is given back now, and `failed` comes at the end of the turn. */
  lose(failure: ConnectionFailure): void {
    if (this.#state === 'gone' || this.#state === 'lost') return;
    if (this.#state === 'closing') return this.#dispose();
    this.#state = 'lost';
    this.#failure = failure;
    this.#unsent = this.#outgoing.bytes;
    this.#giveBack();
    this.#touch();
  }

  ready(events: number): void {
    if (events & UNSURE_EVENTS) this.#unsure = true;
    if (events & (EPOLLIN | UNSURE_EVENTS)) {
      this.#readable = true;
      this.#announce();
    }
    if (this.#full && events & (EPOLLOUT | GONE_EVENTS) && this.#descriptor >= 0) {
      this.#full = false;
      this.#send();
      this.#tell();
    }
    if (events & EPOLLERR && this.#descriptor >= 0) this.#lookAtError();
  }

  goOn(): void {
    this.#unfinished = false;
    this.#announce();
  }

  settle(): void {
    this.#lent = false;
    if (this.#descriptor < 0) return;
    if (!this.#full) this.#send();
    if (this.#descriptor >= 0 && !this.#outgoing.own()) this.#loseForMemory();
  }

  flush(): void {
    this.#dirty = false;
    if (this.#descriptor >= 0 && !this.#full) this.#send();
    this.#tell();
  }

  #deliver(bytes: number, sink: ByteSink): void {
    const { readMemory, arena } = this.#reactor;
    let left = bytes;
    for (let slot = 0; left > 0 && this.#state === 'open'; slot++) {
      const start = readMemory.payloadOf(slot);
      const length = Math.min(left, SLOT_PAYLOAD_BYTES);
      left -= length;
      this.#undelivered = left > 0;
      sink.bytes(arena.bytes, start, start + length);
    }
  }

  /** Answers 0, and `readable` follows. */
  #await(): 0 {
    this.#awaited = true;
    if (!this.#readable) this.#watch();
    else if (!this.#unfinished) {
      this.#unfinished = true;
      this.#reactor.goOnNextTurn(this);
    }
    return 0;
  }

  /** An error tells itself to whoever reads on. What came before it is left to the owner; nothing else keeps it back. */
  #lookAtError(): void {
    this.#broken = true;
    const { calls } = this.#reactor;
    const waiting = this.#ended ? 0 : calls.peek(this.#descriptor, this.#share.address, 1);
    if (waiting < 0 && waiting !== -EAGAIN) this.lose(systemFailure(-waiting));
    else if (this.#ended) this.lose(systemFailure(calls.takeError(this.#descriptor) || ENOTCONN));
  }

  #watch(): void {
    if (this.#token >= 0) return;
    const token = this.#reactor.epoll.add(this.#descriptor, CONNECTION_EVENTS, this);
    if (token < 0) this.lose(systemFailure(-token, 'epoll_ctl (is fs.epoll.max_user_watches reached?)'));
    else this.#token = token;
  }

  #unwatch(): void {
    if (this.#token >= 0) this.#reactor.epoll.remove(this.#token);
    this.#token = -1;
    this.#stall?.cancel();
    this.#stall = undefined;
  }

  #announce(): void {
    if (!this.#awaited || this.#state !== 'open') return;
    this.#awaited = false;
    this.handler.readable();
  }

  #touch(): void {
    if (this.#dirty) return;
    this.#reactor.flushAtEnd(this);
    this.#dirty = true;
  }

  #send(): void {
    const before = this.#outgoing.bytes;
    if (before === 0) return;
    const result = this.#outgoing.send(this.#descriptor);
    this.#untold += before - this.#outgoing.bytes;
    if (result === -EAGAIN) {
      this.#full = true;
      this.#watch();
      if (this.#state === 'closing') this.#watchStall();
    } else if (result < 0) this.lose(systemFailure(-result));
  }

  /** Tells the owner what is news, and goes on with what waits for it. */
  #tell(): void {
    const bytes = this.#untold;
    this.#untold = 0;
    if (bytes > 0) this.handler.written(bytes);
    if (this.#state === 'lost') this.#fail();
    else if (this.#outgoing.bytes === 0 && this.#descriptor >= 0) this.#finish();
  }

  #finish(): void {
    if (this.#state === 'closing') this.#dispose();
    else if (this.#ending && !this.#shutDown) {
      this.#shutDown = true;
      const result = this.#reactor.calls.shutdown(this.#descriptor);
      if (result < 0) this.lose(systemFailure(this.#reactor.calls.takeError(this.#descriptor) || -result));
    }
  }

  #loseForMemory(): void {
    const { taken } = this.#reactor.slabs;
    this.lose(
      systemFailure(ENOBUFS, `all ${taken} slabs for unsent bytes are taken (raise slabBytes of the reactor?)`),
    );
  }

  #fail(): void {
    const failure = this.#failure;
    this.#state = 'gone';
    if (failure !== undefined) this.handler.failed(failure);
  }

  #dispose(): void {
    this.#state = 'gone';
    // The kernel resets by itself for bytes that it still has.
    if (this.#undelivered) this.#resetOnClose();
    this.#giveBack();
  }

  /** Without memory the call cannot be made: what is closed so late ends as the kernel ends it. */
  #resetOnClose(): void {
    if (this.#descriptor >= 0 && !this.#reactor.closed) this.#reactor.calls.resetOnClose(this.#descriptor);
  }

  /** The kernel answers FIN, or RST if bytes that it has received were not read: without a shutdown before. */
  #giveBack(): void {
    this.#outgoing.drop();
    const descriptor = this.#descriptor;
    if (descriptor < 0) return;
    this.#unwatch();
    this.#descriptor = -1;
    this.#reactor.calls.close(descriptor);
  }

  /** Nobody above has a deadline for a closed socket, so there is one here. */
  #watchStall(): void {
    if (this.#stall !== undefined) return;
    const waiting = this.#outgoing.bytes;
    this.#stall = this.#reactor.after(this.#share.closeStalledMs, () => {
      this.#stall = undefined;
      if (this.#state !== 'closing') return;
      if (this.#outgoing.bytes === waiting) this.reset();
      else this.#watchStall();
    });
  }
}
