import type { Connection } from './connection.ts';
import { ErrorCode } from './error-code.ts';
import { Flag } from './frame.ts';
import type { Stream } from './stream.ts';

/** Receives DATA frames: their states, their windows, their padding. RFC 9113 6.1, 6.9 */
export class DataReceiver {
  readonly #connection: Connection;
  /** The stream that the payload belongs to; undefined when it is dropped. */
  #stream: Stream | undefined;
  #last = false;
  #padLengthDue = false;
  /** Octets of payload proper that have not come yet; unknown (everything) until the pad length was read. */
  #left = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** A frame header. A connection error leaves the connection `failed`. */
  begin(flags: number, id: number, length: number): void {
    const connection = this.#connection;
    this.#padLengthDue = (flags & Flag.PADDED) !== 0;
    this.#last = (flags & Flag.END_STREAM) !== 0;
    this.#left = length;
    if (this.#padLengthDue && length === 0) {
      connection.fail(ErrorCode.FRAME_SIZE_ERROR, 'DATA without the pad length that its flags announce');
      return;
    }
    if (length > connection.receiveWindow) {
      this.#failTooMuch(length);
      return;
    }
    if (length === 0 && !this.#last) connection.countUseless();
    if (connection.failed) return;
    connection.take(length);
    this.#stream = this.#admit(id, length);
    if (!this.#padLengthDue) this.#checkContent();
  }

  /** Payload; `memory[start, end)` is empty only for an empty frame. */
  piece(memory: Uint8Array, start: number, end: number): void {
    let at = start;
    if (this.#padLengthDue) {
      this.#padLengthDue = false;
      const padding = memory[at++]!;
      if (padding >= this.#left) {
        this.#connection.fail(ErrorCode.PROTOCOL_ERROR, 'DATA with more padding than its length allows');
        return;
      }
      this.#left -= padding + 1;
      if (this.#left === 0 && !this.#last) this.#connection.countUseless();
      if (this.#connection.failed) return;
      // Padding never reaches the user, who therefore never credits it.
      if (this.#stream !== undefined) this.#connection.creditStream(this.#stream, padding + 1);
      this.#connection.release(padding + 1);
      this.#checkContent();
    }
    const to = Math.min(end, at + this.#left);
    this.#left -= to - at;
    this.#deliver(memory, at, to);
    // At most times the window is far from used up, and crediting it is the user's call.
    const connection = this.#connection;
    if (connection.receiveWindow <= connection.lowWindowBytes) connection.grant();
  }

  #deliver(memory: Uint8Array, start: number, end: number): void {
    const connection = this.#connection;
    const stream = this.#stream;
    if (stream === undefined || stream.gone) {
      connection.release(end - start);
      return;
    }
    const bytes = end - start;
    stream.undelivered += bytes;
    if (this.#last && this.#left === 0) {
      this.#stream = undefined;
      stream.remoteEnded = true;
      connection.events.data(stream.id, memory, start, end, true);
      connection.settle(stream);
    } else if (bytes > 0) connection.events.data(stream.id, memory, start, end, false);
  }

  #failTooMuch(length: number): void {
    const left = this.#connection.receiveWindow;
    const message = `DATA of ${length} octets, where ${left} are left of the window of the connection`;
    this.#connection.fail(ErrorCode.FLOW_CONTROL_ERROR, message);
  }

  /** RFC 9113 8.1.1: content is as long as `content-length` says. */
  #checkContent(): void {
    const stream = this.#stream;
    if (stream === undefined || stream.contentLeft < 0 || stream.takeContent(this.#left, this.#last)) return;
    this.#stream = undefined;
    this.#connection.streamError(stream.id, ErrorCode.PROTOCOL_ERROR);
  }

  /** The stream if it may receive the frame. */
  #admit(id: number, length: number): Stream | undefined {
    const connection = this.#connection;
    const stream = connection.streams.get(id);
    if (stream === undefined) {
      if (connection.isIgnored(id)) return undefined;
      if (connection.isIdle(id)) connection.fail(ErrorCode.PROTOCOL_ERROR, `DATA on idle stream ${id}`);
      // RFC 9113 5.1 allows a stream error; an old reset of ours, crossing with the frame, must not cost the others.
      else connection.streamError(id, ErrorCode.STREAM_CLOSED);
      return undefined;
    }
    const error = this.#errorOf(stream, length);
    if (error !== undefined) {
      connection.streamError(id, error);
      return undefined;
    }
    stream.receiveWindow -= length;
    return stream;
  }

  #errorOf(stream: Stream, length: number): number | undefined {
    if (stream.remoteEnded) return ErrorCode.STREAM_CLOSED;
    // RFC 9113 8.1: a response starts with a header block
    if (this.#connection.role === 'client' && !stream.answered) return ErrorCode.PROTOCOL_ERROR;
    return length > stream.receiveWindow ? ErrorCode.FLOW_CONTROL_ERROR : undefined;
  }
}
