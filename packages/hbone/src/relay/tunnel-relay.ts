import { ErrorCode } from '../core/error-code.ts';
import { type ByteSink, type ConnectionFailure, END, type Plain, type PlainHandler } from '../engine.ts';
import { type StreamFailure, streamFailureText } from '../tunnel/stream-failure.ts';
import type { StreamHandler, TunnelStream } from '../tunnel/tunnel-stream.ts';
import { cutPlain } from './cut-plain.ts';
import {
  type Direction,
  endFailed,
  type RelayFailure,
  type RelayObserver,
  readFailed,
  socketFailed,
  writeCutShort,
} from './relay-failure.ts';

/** One stream reads this much from its application before the others of its connection have their turn. */
const TURN_BYTES = 262_144;
/** Reads that only look for the end of an application whose stream is gone. */
const PROBE_BYTES = 65_536;

export interface TunnelRelayOptions {
  readonly stream: TunnelStream;
  readonly plain: Plain;
  /** Which end opened the connection: `stream` on the inbound side, `plain` on the outbound side. */
  readonly first: 'stream' | 'plain';
  readonly observer: RelayObserver;
  /**
   * What a reset of one end is for the other. `end`, the default: an orderly end, as hbone.md §5 has it. `reset`: RFC 9113
   * 8.5, a reset application is RST_STREAM(CONNECT_ERROR), and RST_STREAM or a lost connection resets the application's
   * socket; `finished` then tells it as a failure.
   */
  readonly applicationReset?: 'end' | 'reset';
}

/**
 * Passes bytes, ends and resets between a stream and an application's socket, row by row of hbone.md §5. Takes over both
 * and starts at once; a stream that is gone already is as one that goes at the end of the turn.
 */
export class TunnelRelay implements StreamHandler, PlainHandler, ByteSink {
  readonly #stream: TunnelStream;
  readonly #plain: Plain;
  readonly #observer: RelayObserver;
  /** The application opened the connection. */
  readonly #outbound: boolean;
  readonly #passResets: boolean;
  #upOpen = true;
  #upFailure: RelayFailure | undefined;
  /** `ending`: the end waits for queued bytes. */
  #downState: 'open' | 'ending' | 'done' = 'open';
  #downFailure: RelayFailure | undefined;
  #unwritten = 0;
  /** Bytes of the application wait for the stream. */
  #blocked = false;
  #streamFailure: StreamFailure | undefined;
  #plainGone = false;
  #finished = false;

  constructor(options: TunnelRelayOptions) {
    this.#stream = options.stream;
    this.#plain = options.plain;
    this.#observer = options.observer;
    this.#outbound = options.first === 'plain';
    this.#passResets = options.applicationReset === 'reset';
    this.#stream.handler = this;
    this.#plain.handler = this;
    this.#stream.start();
    this.#pump();
  }

  /** Cuts both ends: RST_STREAM as for a dropped stream, and the application's socket is closed. No callback follows. */
  abort(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#stream.cancel();
    cutPlain(this.#plain);
  }

  /** From the application to the stream. */
  get #up(): Direction {
    return this.#outbound ? 'send' : 'receive';
  }

  get #down(): Direction {
    return this.#outbound ? 'receive' : 'send';
  }

  // StreamHandler

  data(memory: Uint8Array, start: number, end: number): void {
    if (this.#finished || this.#downState !== 'open') return;
    if (this.#plainGone) {
      this.#settleDown();
      return;
    }
    this.#unwritten += end - start;
    this.#plain.write(memory, start, end);
    this.#count(!this.#outbound, end - start);
  }

  ended(): void {
    this.#endDown(undefined);
  }

  writable(): void {
    this.#pump();
  }

  // PlainHandler

  readable(): void {
    this.#pump();
  }

  written(bytes: number): void {
    this.#unwritten -= bytes;
    this.#stream.credit(bytes);
    if (this.#downState === 'ending' && this.#unwritten === 0) this.#settleDown();
  }

  // ByteSink

  /** Bytes of the application, read by `#pump`. */
  bytes(memory: Uint8Array, start: number, end: number): void {
    if (this.#streamFailure !== undefined) return;
    this.#stream.send(memory, start, end);
    this.#count(this.#outbound, end - start);
  }

  /** Either end failed: a stream's failure has a kind. */
  failed(failure: StreamFailure | ConnectionFailure): void {
    if (this.#finished) return;
    if ('kind' in failure) this.#streamFailed(failure);
    else this.#plainFailed(failure);
  }

  #streamFailed(failure: StreamFailure): void {
    if (this.#streamFailure !== undefined) return;
    this.#streamFailure = failure;
    if (failure.kind === 'connection' && failure.failure.code === 'ABORTED') {
      if (this.#passResets) this.#plain.reset();
      this.#finish({ direction: this.#down, closing: false, text: failure.failure.message });
      return;
    }
    if (this.#passResets && this.#resetPlain(failure)) return;
    // Not for an end that came before the failure: that one was clean.
    this.#endDown(readFailed(this.#down, failure));
    // An application with nothing to say is still read to its end; one that waits to be read has lost its bytes.
    if (this.#upOpen && this.#blocked) this.#settleUp(this.#lostBytes(failure));
    else this.#pump();
  }

  /** False for the one reset that is none: the peer has ended its side and wants no more. RFC 9113 8.1 */
  #resetPlain(failure: StreamFailure): boolean {
    const wantsNoMore = failure.kind === 'reset' && failure.code === ErrorCode.NO_ERROR;
    if (wantsNoMore && this.#downState !== 'open') return false;
    if (!this.#plainGone) this.#plain.reset();
    const text = `${this.#down}: io error: ${streamFailureText(failure)}`;
    this.#finish({ direction: this.#down, closing: false, text });
    return true;
  }

  #lostBytes(failure: StreamFailure): RelayFailure | undefined {
    const orderly = failure.kind === 'connection' && failure.failure.code === 'EOF';
    return orderly ? writeCutShort(this.#up) : endFailed(this.#up, failure);
  }

  #plainFailed(failure: ConnectionFailure): void {
    this.#plainGone = true;
    if (this.#passResets) {
      this.#stream.reset(ErrorCode.CONNECT_ERROR);
      this.#finish({ direction: this.#up, closing: false, text: `${this.#up}: io error: ${failure.message}` });
      return;
    }
    if (this.#upOpen) {
      if (this.#streamFailure !== undefined) this.#settleUp(endFailed(this.#up, this.#streamFailure));
      else {
        this.#stream.end();
        this.#settleUp(socketFailed(this.#up, failure));
      }
    }
    // A write under way has failed with it; else the next one will, or the peer ends first.
    if (this.#unwritten > 0 || this.#downState === 'ending') this.#settleDown();
  }

  /** Application to stream: as much as windows and queue allow, then wait for more of either. */
  #pump(): void {
    let turn = TURN_BYTES;
    while (this.#upOpen && !this.#finished && !this.#plainGone) {
      // It went before this relay was made, or with its whole connection: `failed` is about to come.
      if (this.#stream.gone && this.#streamFailure === undefined) return;
      const max = this.#streamFailure === undefined ? Math.min(this.#stream.budget, turn) : PROBE_BYTES;
      this.#blocked = max <= 0;
      if (this.#blocked) {
        this.#stream.wait();
        return;
      }
      const bytes = this.#plain.read(max, this);
      if (bytes === 0) return;
      turn -= bytes;
      if (bytes === END) this.#endUp();
      else if (this.#streamFailure !== undefined) this.#settleUp(endFailed(this.#up, this.#streamFailure));
    }
  }

  #endUp(): void {
    if (this.#streamFailure !== undefined) {
      this.#settleUp(endFailed(this.#up, this.#streamFailure));
      return;
    }
    this.#stream.end();
    this.#settleUp(undefined);
  }

  #endDown(failure: RelayFailure | undefined): void {
    if (this.#finished || this.#downState !== 'open') return;
    this.#downState = 'ending';
    this.#downFailure = failure;
    if (!this.#plainGone) this.#plain.end();
    if (this.#plainGone || this.#unwritten === 0) this.#settleDown();
  }

  #settleUp(failure: RelayFailure | undefined): void {
    if (!this.#upOpen) return;
    this.#upOpen = false;
    this.#upFailure = failure;
    this.#finishIfDone();
  }

  #settleDown(): void {
    if (this.#downState === 'done') return;
    this.#downState = 'done';
    this.#finishIfDone();
  }

  #finishIfDone(): void {
    if (this.#upOpen || this.#downState !== 'done') return;
    const [send, receive] = this.#outbound
      ? [this.#upFailure, this.#downFailure]
      : [this.#downFailure, this.#upFailure];
    this.#finish(send ?? receive);
  }

  #count(first: boolean, bytes: number): void {
    if (first) this.#observer.fromFirst(bytes);
    else this.#observer.fromSecond(bytes);
  }

  #finish(failure: RelayFailure | undefined): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#stream.cancel();
    cutPlain(this.#plain);
    if (failure === undefined) this.#observer.finished();
    else this.#observer.finished(failure);
  }
}
