import { ErrorCode } from '../core/error-code.ts';
import {
  type ByteSink,
  type ConnectionFailure,
  END,
  type Engine,
  type Plain,
  type PlainHandler,
  type SocketAddress,
} from '../engine.ts';
import { ByteQueue } from './byte-queue.ts';
import { type StreamFailure, streamFailureText } from './stream-failure.ts';
import type { StreamHandler, TunnelStream } from './tunnel-stream.ts';

const NOBODY: PlainHandler = { readable: () => {}, written: () => {}, failed: () => {} };

/** Where a tunnel leads, as its user sees it. A `Secure` fits. */
export interface StreamEnds {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
}

/**
 * A tunnel's stream in the place of a socket, for a tunnel inside a tunnel (hbone.md §8). Takes the stream over.
 *
 * What is read is credited to the peer as it is taken, so that it sends no more than a stream window ahead; `queued` is
 * what the peer's window, the connection's or the TLS queue has no room for yet. `end` is END_STREAM, `reset` RST_STREAM
 * with CANCEL, and `close` END_STREAM followed by RST_STREAM, as the reference drops the outer stream; with bytes left
 * unread it is a reset. A peer that resets its stream is `failed` with ECONNRESET, unless it had ended its side before: then
 * what it sent is still read to the end, and only writing fails, with EPIPE.
 */
export class StreamPlain implements Plain, StreamHandler {
  handler: PlainHandler = NOBODY;
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  readonly descriptor = -1;
  readonly #engine: Engine;
  readonly #stream: TunnelStream;
  readonly #received = new ByteQueue();
  readonly #unsent = new ByteQueue();
  readonly #sender: ByteSink;
  /** Bytes of the call of `data` under way that nobody has taken. */
  #lent: Uint8Array | undefined;
  #at = 0;
  #end = 0;
  #reading = false;
  /** `read` answered 0: the owner waits for `readable`. */
  #awaited = false;
  #peerEnded = false;
  /** Bytes that the stream took and `written` has not told of. */
  #taken = 0;
  #tellDue = false;
  #ending = false;
  #closing = false;
  /** The stream is gone, but what came before its end may be read. */
  #broken = false;
  #gone = false;

  constructor(engine: Engine, stream: TunnelStream, ends: StreamEnds) {
    this.#engine = engine;
    this.#stream = stream;
    this.local = ends.local;
    this.remote = ends.remote;
    this.#sender = { bytes: (memory, start, end) => stream.send(memory, start, end) };
    stream.handler = this;
    if (stream.gone) this.#failLater({ code: 'ECONNRESET', message: 'Connection reset by peer (os error 104)' });
  }

  get queued(): number {
    return this.#unsent.bytes + this.#taken;
  }

  read(max: number, sink: ByteSink): number {
    if (this.#gone || this.#closing || max <= 0) return 0;
    if (!this.#reading) {
      this.#reading = true;
      this.#stream.start();
    }
    const bytes = this.#received.bytes > 0 ? this.#received.take(max, sink) : this.#readLent(max, sink);
    if (bytes > 0) {
      this.#stream.credit(bytes);
      return bytes;
    }
    if (this.#peerEnded) return END;
    this.#awaited = true;
    return 0;
  }

  write(memory: Uint8Array, start: number, end: number): void {
    if (this.#gone || this.#ending || this.#closing || start === end) return;
    if (this.#broken) {
      this.#failLater(BROKEN_PIPE);
      return;
    }
    let at = start;
    if (this.#unsent.bytes === 0) {
      at += Math.min(this.#stream.budget, end - start);
      if (at > start) this.#stream.send(memory, start, at);
      this.#took(at - start);
    }
    if (at === end) return;
    this.#unsent.copy(memory, at, end);
    this.#stream.wait();
  }

  end(): void {
    if (this.#gone || this.#ending || this.#closing) return;
    this.#ending = true;
    this.#endOnceSent();
  }

  close(): void {
    if (this.#gone || this.#closing) return;
    this.#closing = true;
    this.handler = NOBODY;
    this.#endOnceSent();
  }

  reset(): void {
    if (this.#gone) return;
    this.#release();
    this.#stream.reset(ErrorCode.CANCEL);
  }

  // StreamHandler

  data(memory: Uint8Array, start: number, end: number): void {
    if (this.#gone) return;
    if (this.#closing) {
      // Nobody will read it. A socket answers with RST as well.
      this.reset();
      return;
    }
    if (this.#received.bytes === 0) {
      this.#lent = memory;
      this.#at = start;
      this.#end = end;
      this.#announce();
      this.#lent = undefined;
      if (!this.#gone) this.#received.copy(memory, this.#at, this.#end);
    } else this.#received.copy(memory, start, end);
  }

  ended(): void {
    this.#peerEnded = true;
    this.#announce();
  }

  writable(): void {
    while (this.#unsent.bytes > 0) {
      const sent = this.#unsent.take(this.#stream.budget, this.#sender);
      if (sent === 0) {
        this.#stream.wait();
        break;
      }
      this.#took(sent);
    }
    this.#endOnceSent();
  }

  failed(failure: StreamFailure): void {
    if (this.#gone) return;
    this.#broken = true;
    if (this.#closing) this.#release();
    else if (!this.#peerEnded) this.#fail(plainFailure(failure));
    else if (this.#unsent.bytes > 0) this.#fail(BROKEN_PIPE);
  }

  #readLent(max: number, sink: ByteSink): number {
    const memory = this.#lent;
    const start = this.#at;
    const bytes = memory === undefined ? 0 : Math.min(max, this.#end - start);
    if (memory === undefined || bytes === 0) return 0;
    this.#at += bytes;
    sink.bytes(memory, start, start + bytes);
    return bytes;
  }

  #announce(): void {
    if (!this.#awaited || this.#gone || this.#closing) return;
    this.#awaited = false;
    this.handler.readable();
  }

  #took(bytes: number): void {
    this.#taken += bytes;
    if (this.#tellDue || this.#taken === 0) return;
    this.#tellDue = true;
    this.#engine.atEndOfTurn(this.#tell);
  }

  readonly #tell = (): void => {
    this.#tellDue = false;
    const bytes = this.#taken;
    this.#taken = 0;
    if (!this.#gone && bytes > 0) this.handler.written(bytes);
  };

  #endOnceSent(): void {
    if (this.#gone || this.#unsent.bytes > 0 || !(this.#ending || this.#closing)) return;
    // What is lent right now counts, too: `close` may come from inside of `readable`.
    const unread = this.#received.bytes > 0 || (this.#lent !== undefined && this.#at < this.#end);
    if (!(this.#closing && unread)) this.#stream.end();
    if (!this.#closing) return;
    this.#release();
    // Where both sides have ended no RST_STREAM leaves; what was not credited goes back to the connection either way.
    if (unread) this.#stream.reset(ErrorCode.CANCEL);
    else this.#stream.cancel();
  }

  #failLater(failure: ConnectionFailure): void {
    this.#engine.atEndOfTurn(() => this.#fail(failure));
  }

  #fail(failure: ConnectionFailure): void {
    if (this.#gone) return;
    this.#release();
    this.handler.failed(failure);
  }

  #release(): void {
    this.#gone = true;
    this.#received.clear();
    this.#unsent.clear();
    this.#taken = 0;
  }
}

const BROKEN_PIPE: ConnectionFailure = { code: 'EPIPE', message: 'Broken pipe (os error 32)' };

function plainFailure(failure: StreamFailure): ConnectionFailure {
  if (failure.kind === 'reset') return { code: 'ECONNRESET', message: streamFailureText(failure) };
  // The connection below is gone; for who uses the stream as a socket that is a reset, whatever the reason.
  return failure.failure.code === 'ABORTED'
    ? failure.failure
    : { code: 'ECONNRESET', message: streamFailureText(failure) };
}
