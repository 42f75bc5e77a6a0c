import type { Socket } from 'node:net';
import { type ByteSink, END, type Plain, type PlainHandler, type SocketAddress } from '../engine.ts';
import { readInto, socketDescriptor } from './node-internals.ts';
import { Outgoing } from './outgoing.ts';
import { socketFailure } from './socket-failure.ts';
import { type Flushable, READ_BYTES, type Turn } from './turn.ts';

/**
 * Until a socket has delivered this much it is read once a turn: libuv would else read 32 times in a row, 2 MiB, before
 * anybody else had a turn and before the other end's word on the first bytes (a reset, say) could be heard.
 */
const SLOW_START_BYTES = 1_048_576;

const NOBODY: PlainHandler = { readable: () => {}, written: () => {}, failed: () => {} };
/** Of a socket that TLS has taken over, which listens by itself. */
const IGNORED = (): void => {};

/**
 * `Plain` on a `net.Socket` made with `allowHalfOpen` that nothing has read from. With `lost` the socket is gone already:
 * `failed` tells it at the end of the turn.
 */
export class NodePlain implements Plain, Flushable {
  handler: PlainHandler = NOBODY;
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  readonly lost: Error | undefined;
  readonly #socket: Socket;
  readonly #turn: Turn;
  /** What was read and not delivered: `#waiting[#at, #end)`, in the engine's memory or, once the turn is over, in a copy. */
  #waiting: Uint8Array | undefined;
  #at = 0;
  #end = 0;
  #reading = false;
  #paused = false;
  /** Paused until the end of the turn, whatever the owner asks. */
  #resting = false;
  #delivered = 0;
  /** `read` answered 0: the owner waits for `readable`. */
  #awaited = false;
  #ended = false;
  readonly #outgoing: Outgoing;
  #dirty = false;
  #ending = false;
  /** The end was handed to the socket. */
  #shutDown = false;
  #closing = false;
  #gone = false;

  constructor(socket: Socket, turn: Turn, lost?: Error) {
    this.#socket = socket;
    this.#turn = turn;
    this.#outgoing = new Outgoing(socket, turn.slabs, (bytes) => this.#wrote(bytes));
    this.lost = lost;
    if (lost !== undefined) turn.atEnd(() => this.#fail(lost));
    socket.on('error', this.#fail);
    this.local = { ip: canonicalIp(socket.localAddress ?? ''), port: socket.localPort ?? 0 };
    this.remote = { ip: canonicalIp(socket.remoteAddress ?? ''), port: socket.remotePort ?? 0 };
  }

  get descriptor(): number {
    return this.#gone ? -1 : socketDescriptor(this.#socket);
  }

  get queued(): number {
    return this.#outgoing.bytes;
  }

  read(max: number, sink: ByteSink): number {
    if (this.#gone || max <= 0) return 0;
    const memory = this.#waiting;
    if (memory !== undefined) return this.#deliver(memory, Math.min(max, this.#end - this.#at), sink);
    if (this.#ended) return END;
    this.#awaited = true;
    if (!this.#reading) this.#startReading();
    else if (this.#paused) {
      this.#paused = false;
      if (!this.#resting) this.#socket.resume();
    }
    return 0;
  }

  write(memory: Uint8Array, start: number, end: number): void {
    if (this.#gone || this.#ending || this.#closing || start === end) return;
    this.#touch();
    this.#outgoing.append(memory, start, end);
  }

  end(): void {
    if (this.#gone || this.#closing) return;
    this.#ending = true;
    this.#touch();
  }

  close(): void {
    if (this.#gone || this.#closing) return;
    this.#closing = true;
    this.handler = NOBODY;
    this.#touch();
  }

  reset(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#cut();
  }

  flush(): void {
    this.#dirty = false;
    if (this.#gone) return;
    this.#outgoing.flush();
    this.#finish();
  }

  /** Hands the socket over to TLS, and keeps nothing of this object alive by it: it is used up. */
  release(): Socket {
    this.#gone = true;
    return this.#socket.on('error', IGNORED).off('error', this.#fail);
  }

  #touch(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    this.#turn.flushAtEnd(this);
  }

  #deliver(memory: Uint8Array, bytes: number, sink: ByteSink): number {
    const start = this.#at;
    this.#at += bytes;
    if (this.#at === this.#end) this.#waiting = undefined;
    sink.bytes(memory, start, start + bytes);
    return bytes;
  }

  #startReading(): void {
    this.#reading = true;
    const { readMemory } = this.#turn;
    if (!readInto(this.#socket, readMemory, (bytes) => this.#arrived(readMemory, bytes)))
      this.#socket.on('data', (chunk: Buffer) => this.#arrived(chunk, chunk.length));
    this.#socket.on('end', () => {
      this.#ended = true;
      this.#announce();
    });
    this.#socket.resume();
  }

  #arrived(memory: Uint8Array, bytes: number): void {
    if (this.#gone) return;
    this.#waiting = memory;
    this.#at = 0;
    this.#end = bytes;
    if (this.#delivered < SLOW_START_BYTES) this.#rest(bytes);
    this.#announce();
    if (this.#waiting === undefined || this.#gone) return;
    if (memory === this.#turn.readMemory) this.#copyWaiting();
    if (this.#paused) return;
    this.#paused = true;
    this.#socket.pause();
  }

  /** The next socket reads into the same memory. */
  #copyWaiting(): void {
    this.#waiting = Buffer.from(this.#turn.readMemory.subarray(this.#at, this.#end));
    this.#end -= this.#at;
    this.#at = 0;
  }

  #rest(bytes: number): void {
    this.#delivered += bytes;
    // A chunk that does not fill libuv's buffer is the last of its turn anyway.
    if (bytes < READ_BYTES || this.#resting) return;
    this.#resting = true;
    this.#socket.pause();
    this.#turn.atEnd(this.#rested);
  }

  readonly #rested = (): void => {
    this.#resting = false;
    if (!this.#paused && !this.#gone) this.#socket.resume();
  };

  #announce(): void {
    if (!this.#awaited || this.#gone || this.#closing) return;
    this.#awaited = false;
    this.handler.readable();
  }

  #wrote(bytes: number): void {
    if (this.#gone) return;
    this.handler.written(bytes);
    this.#finish();
  }

  /** Goes on with an end or a close that waits for what was queued. */
  #finish(): void {
    if (this.#gone || this.#dirty || this.#outgoing.waiting) return;
    if (this.#closing) this.#closeOnceSent();
    else if (this.#ending && !this.#shutDown) this.#shutdown();
  }

  #closeOnceSent(): void {
    if (this.#outgoing.bytes > 0) return;
    this.#gone = true;
    const unread = this.#waiting !== undefined || this.#socket.readableLength > 0;
    // Bytes that are still in the kernel make it send RST by itself; for those already here we do. No shutdown before:
    // a peer that saw FIN first takes the RST for a broken pipe.
    if (unread) this.#cut();
    else this.#socket.destroy();
  }

  /** Ends the socket by RST, or just so while a shutdown is under way: libuv then refuses (EINVAL) and leaves it open. */
  #cut(): void {
    if (this.#shutDown) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }

  #shutdown(): void {
    this.#shutDown = true;
    this.#socket.end();
  }

  readonly #fail = (error: Error): void => {
    if (this.#gone) return;
    this.#gone = true;
    this.#waiting = undefined;
    this.handler.failed(socketFailure(error));
  };
}

/** An address as text in its canonical form: v4-mapped v6 is written as v4, and without the zone Node adds to link-local ones. */
export function canonicalIp(ip: string): string {
  if (ip.startsWith('::ffff:') && ip.includes('.')) return ip.slice(7);
  const zone = ip.indexOf('%');
  return zone < 0 ? ip : ip.slice(0, zone);
}
