import { type ByteSink, type ConnectionFailure, END, type Plain, type PlainHandler } from '../engine.ts';
import { cutPlain } from './cut-plain.ts';
import { RelayEnd } from './relay-end.ts';
import { type Direction, type RelayFailure, type RelayObserver, socketFailed } from './relay-failure.ts';

/** Bytes that may wait for one socket's kernel before the other is no longer read. */
const QUEUE_LIMIT_BYTES = 524_288;

/** Passes bytes, ends and resets between two sockets, as hbone.md §5 has it for plain TCP. Takes over both and starts at once. */
export class PlainRelay {
  readonly #first: Side;
  readonly #second: Side;
  readonly #observer: RelayObserver;
  #finished = false;

  /** `first` is the end that opened the connection. */
  constructor(first: Plain, second: Plain, observer: RelayObserver) {
    this.#observer = observer;
    const end = new RelayEnd((failure) => this.#finish(failure));
    this.#first = new Side(first, 'send', end, (bytes) => observer.fromFirst(bytes));
    this.#second = new Side(second, 'receive', end, (bytes) => observer.fromSecond(bytes));
    this.#first.join(this.#second);
    this.#second.join(this.#first);
    this.#first.pump();
    this.#second.pump();
  }

  /** Cuts both sockets: RST where bytes were left unread or unsent. No callback follows. */
  abort(): void {
    this.#finished = true;
    this.#first.stop();
    this.#second.stop();
  }

  #finish(failure: RelayFailure | undefined): void {
    if (this.#finished) return;
    this.abort();
    if (failure === undefined) this.#observer.finished();
    else this.#observer.finished(failure);
  }
}

/** One socket and the direction that starts at it. */
class Side implements PlainHandler, ByteSink {
  readonly #plain: Plain;
  readonly #direction: Direction;
  readonly #end: RelayEnd;
  readonly #count: (bytes: number) => void;
  #other: Side | undefined;
  #open = true;
  #blocked = false;
  /** The other side's end was passed on to this socket. */
  #ending = false;
  #gone = false;
  #stopped = false;

  constructor(plain: Plain, direction: Direction, end: RelayEnd, count: (bytes: number) => void) {
    this.#plain = plain;
    this.#direction = direction;
    this.#end = end;
    this.#count = count;
    plain.handler = this;
  }

  join(other: Side): void {
    this.#other = other;
  }

  stop(): void {
    this.#stopped = true;
    cutPlain(this.#plain);
  }

  /** Bytes that may be written to this socket now. */
  get #room(): number {
    if (this.#gone) return QUEUE_LIMIT_BYTES;
    return Math.min(QUEUE_LIMIT_BYTES - this.#plain.queued, this.#plain.room ?? QUEUE_LIMIT_BYTES);
  }

  /** Reads what the other socket has room for. */
  pump(): void {
    const other = this.#other;
    if (other === undefined) return;
    while (this.#open && !this.#gone && !this.#stopped) {
      const room = other.#room;
      this.#blocked = room <= 0;
      if (this.#blocked) return;
      const bytes = this.#plain.read(room, this);
      if (bytes === 0) return;
      if (bytes === END) {
        other.#passEnd();
        if (other.#gone || other.#plain.queued === 0) this.#settle();
        else this.#open = false;
      } else if (other.#gone) this.#settle();
    }
  }

  bytes(memory: Uint8Array, start: number, end: number): void {
    const other = this.#other;
    if (other === undefined || other.#gone) return;
    other.#plain.write(memory, start, end);
    this.#count(end - start);
  }

  readable(): void {
    this.pump();
  }

  written(): void {
    const other = this.#other;
    if (other === undefined || this.#stopped) return;
    if (this.#ending && this.#plain.queued === 0) other.#settle();
    else if (other.#blocked) other.pump();
  }

  failed(failure: ConnectionFailure): void {
    const other = this.#other;
    if (other === undefined || this.#stopped) return;
    this.#gone = true;
    // A write to this socket under way has failed with it; else the next one will, or the other side ends first.
    const cutShort = this.#ending || other.#blocked || this.#plain.queued > 0;
    other.#passEnd();
    this.#settle(socketFailed(this.#direction, failure));
    if (cutShort && !this.#stopped) other.#settle();
  }

  #passEnd(): void {
    if (this.#gone || this.#ending) return;
    this.#ending = true;
    this.#plain.end();
  }

  #settle(failure?: RelayFailure): void {
    this.#open = false;
    this.#end.settle(this.#direction, failure);
  }
}
