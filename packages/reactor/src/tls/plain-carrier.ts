import { type ByteSink, type ConnectionFailure, END, type Plain, type SocketAddress } from '@ambientmesh/hbone';
import type { Flushable, Unfinished } from '../loop/reactor.ts';
import { type Carrier, type CarrierOwner, ENDED, NO_OWNER } from './carrier.ts';
import { SCRATCH_BYTES, type TlsThread } from './tls-thread.ts';

const MOST_DROPS = 8;
const FORGET: ByteSink = { bytes: () => {} };

/** A `Plain` of another making (a tunnel's stream, say) under TLS, at the price of a few copies. Takes the `Plain` over. */
export class PlainCarrier implements Carrier, Flushable, Unfinished {
  owner: CarrierOwner = NO_OWNER;
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  readonly #tls: TlsThread;
  readonly #plain: Plain;
  readonly #sink: ByteSink = { bytes: (memory, start, end) => this.#put(memory, start, end) };
  readonly #arenaSink: ByteSink = { bytes: (memory, start, end) => this.#copy(memory, start, end) };
  /** Where `read` puts what comes next. */
  #to = 0;
  /**
   * Taken from the wire, and not written yet: the wire is emptied whenever another connection has something to write, which
   * may be the one beneath, in the middle of a record. Not in the arena: no engine may think that it is lent for longer.
   */
  #pieces: Uint8Array[] = [];
  #pieceBytes = 0;
  #ending = false;
  #ended = false;
  #closed = false;
  #due = false;

  constructor(tls: TlsThread, plain: Plain) {
    this.#tls = tls;
    this.#plain = plain;
    this.local = plain.local;
    this.remote = plain.remote;
    plain.handler = {
      // Not at once: the bytes of the connection beneath may still be being delivered from the memory we would read into.
      readable: () => this.#goOnSoon(),
      written: () => this.owner.sent(),
      failed: (failure: ConnectionFailure) => this.owner.lost(failure),
    };
  }

  get queued(): number {
    return this.#pieceBytes + this.#plain.queued;
  }

  fill(most: number): number {
    return this.#read(Math.min(most, SCRATCH_BYTES), this.#sink);
  }

  read(at: number, most: number): number {
    this.#to = at;
    return this.#read(Math.min(most, SCRATCH_BYTES), this.#arenaSink);
  }

  #read(most: number, sink: ByteSink): number {
    if (this.#closed) return 0;
    if (this.#ended) return ENDED;
    const bytes = this.#plain.read(most, sink);
    if (bytes > 0) this.#goOnSoon();
    if (bytes !== END) return bytes;
    this.#ended = true;
    return ENDED;
  }

  watch(reading: boolean): void {
    if (reading) this.#goOnSoon();
  }

  goOn(): void {
    this.#due = false;
    this.owner.readable();
  }

  drain(): void {
    const { wire, openSsl, scratch, reactor } = this.#tls;
    if (this.#closed) return wire.discard();
    for (let lent = wire.waiting(); lent.length > 0; lent = wire.waiting()) {
      const length = Math.min(lent.length, SCRATCH_BYTES);
      openSsl.copyIn(scratch, lent.address, length);
      wire.take(length);
      if (this.#pieces.length === 0) reactor.flushAtEnd(this);
      this.#pieces.push(reactor.arena.bytes.slice(scratch, scratch + length));
      this.#pieceBytes += length;
    }
  }

  flush(): void {
    const pieces = this.#pieces;
    this.#dropPieces();
    for (const piece of pieces) this.#plain.write(piece, 0, piece.length);
    if (this.#ending) this.#plain.end();
  }

  end(): void {
    this.#ending = true;
    if (this.#pieces.length === 0) this.#plain.end();
  }

  drop(): boolean {
    if (this.#ended) return true;
    for (let count = 0; count < MOST_DROPS; count++) {
      const bytes = this.#plain.read(SCRATCH_BYTES, FORGET);
      if (bytes === END) return true;
      if (bytes === 0) return false;
    }
    this.#goOnSoon();
    return false;
  }

  close(): void {
    this.#closed = true;
    this.owner = NO_OWNER;
    this.#dropPieces();
    this.#plain.close();
  }

  cut(): void {
    this.reset();
  }

  reset(): void {
    this.#closed = true;
    this.owner = NO_OWNER;
    this.#dropPieces();
    this.#plain.reset();
  }

  #dropPieces(): void {
    this.#pieces = [];
    this.#pieceBytes = 0;
  }

  #goOnSoon(): void {
    if (this.#due) return;
    this.#due = true;
    this.#tls.reactor.goOnNextTurn(this);
  }

  #copy(memory: Uint8Array, start: number, end: number): void {
    this.#tls.reactor.arena.bytes.set(memory.subarray(start, end), this.#to);
    this.#to += end - start;
  }

  #put(memory: Uint8Array, start: number, end: number): void {
    const { intake, reactor, scratch } = this.#tls;
    if (memory === reactor.arena.bytes) return intake.put(start, end - start);
    for (let at = start; at < end; at += SCRATCH_BYTES) {
      const piece = memory.subarray(at, Math.min(end, at + SCRATCH_BYTES));
      reactor.arena.bytes.set(piece, scratch);
      intake.put(scratch, piece.length);
    }
  }
}
