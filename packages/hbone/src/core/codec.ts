import { Connection } from './connection.ts';
import type { Events, Fields, Receiver, Sender } from './contract.ts';
import { ErrorCode } from './error-code.ts';
import { Flag, FrameType, MAX_STREAM_ID, writeUint32 } from './frame.ts';
import { type CodecOptions, type Role, resolveCodecOptions } from './limits.ts';
import { FrameReceiver } from './receiver.ts';
import { evaluateRequest, evaluateResponse } from './request.ts';

/** Below are interim responses, which say nothing to the client of a tunnel. */
const STATUS_FINAL = 200;

/**
 * HTTP/2 for CONNECT tunnels, both ends of it: bytes in and events out, calls in and frames out, no I/O and no clock.
 * What it announces and enforces is hbone.md §2 unless options say otherwise. The greeting waits in `control` from the start.
 *
 * A client's request header fields and a server's response are the caller's, except that malformed ones throw. Nothing
 * else throws but the misuse of `data`; whatever a peer does ends in events.
 *
 * @see RFC 9113, RFC 7541
 */
export class Codec implements Receiver, Sender {
  readonly #connection: Connection;
  readonly #receiver: FrameReceiver;
  #greeted = false;

  /** Throws RangeError, which names the option, for options that the RFC does not allow or that make no sense. */
  constructor(role: Role, events: Events, options: Partial<CodecOptions> = {}) {
    this.#connection = new Connection(role, events, resolveCodecOptions(role, options));
    this.#receiver = new FrameReceiver(this.#connection);
  }

  /** After a connection error or `stop` nothing more is read, and nothing queued but what already waits. */
  get failed(): boolean {
    return this.#connection.failed;
  }

  /** Streams that count against the limit of concurrent streams. */
  get openStreams(): number {
    return this.#connection.openStreams;
  }

  /** Streams that the peer lets a client have open; infinite if it named no limit, and 100 until it has spoken. */
  get maxConcurrentStreams(): number {
    return this.#connection.peer.maxConcurrentStreams;
  }

  /** The peer's SETTINGS came, and so did its acknowledgement of ours. */
  get settled(): boolean {
    return this.#connection.settingsAcked && this.#connection.peer.received;
  }

  get maxFrame(): number {
    return this.#connection.peer.maxFrameBytes;
  }

  get controlWaiting(): boolean {
    return this.#connection.control.bytes > 0 || this.#connection.urgent.bytes > 0;
  }

  push(memory: Uint8Array, start: number, end: number): void {
    this.#receiver.push(memory, start, end);
  }

  stop(): void {
    this.#connection.stop();
  }

  get wakeWaiting(): boolean {
    return this.#connection.wakeWaiting;
  }

  wake(): void {
    this.#connection.wake();
  }

  budget(id: number): number {
    const stream = this.#connection.streams.get(id);
    return stream === undefined ? 0 : this.#connection.budget(stream);
  }

  /** Throws RangeError if `length` is more than `budget(id)` or `maxFrame`, or the stream is unknown, ended by us or not answered yet. */
  // oxlint-disable-next-line max-params -- called for every frame: an options object would be garbage
  data(memory: Uint8Array, at: number, id: number, length: number, last: boolean): void {
    const connection = this.#connection;
    const stream = connection.streams.get(id);
    if (stream === undefined || stream.localEnded || (connection.role === 'server' && !stream.answered))
      throw new RangeError(`DATA on stream ${id}, which is not open or not answered`);
    if (length > 0 && (length > stream.sendWindow || length > connection.sendWindow || length > this.maxFrame))
      throw new RangeError(`DATA of ${length} octets on stream ${id} is more than its windows or a frame allow`);
    memory[at] = length >>> 16;
    memory[at + 1] = length >>> 8;
    memory[at + 2] = length;
    memory[at + 3] = FrameType.DATA;
    memory[at + 4] = last ? Flag.END_STREAM : 0;
    writeUint32(memory, at + 5, id);
    stream.sendWindow -= length;
    connection.sendWindow -= length;
    connection.budgets.noteData(length);
    // Who has sent, and wants to send more, comes last.
    if (connection.starved.size > 0) connection.starved.delete(stream);
    if (last) {
      stream.localEnded = true;
      connection.feed(stream);
      connection.settle(stream);
    } else if (stream.sendWindow <= 0 || connection.sendWindow <= 0) connection.starve(stream);
  }

  control(memory: Uint8Array, at: number, room: number): number {
    const { control, urgent } = this.#connection;
    let bytes = 0;
    // Nothing may come before the greeting. RFC 9113 3.4
    if (this.#greeted) bytes += urgent.drain(memory, at, room);
    bytes += control.drain(memory, at + bytes, room - bytes);
    this.#greeted ||= bytes > 0 && control.bytes === 0;
    return bytes;
  }

  credit(id: number, bytes: number): void {
    const stream = this.#connection.streams.get(id);
    if (stream !== undefined && bytes > 0) this.#connection.credit(stream, bytes);
  }

  /** Throws RangeError for fields that the peer would have to refuse, or that need more than 16 KiB. */
  request(fields: Fields): number {
    const connection = this.#connection;
    const kind = evaluateRequest(fields);
    if (kind === undefined) throw new RangeError('malformed request header fields');
    if (!this.#mayOpen()) return 0;
    const id = connection.nextId;
    connection.sendHeaders(id, fields, false);
    connection.nextId += 2;
    connection.open(id, kind === 'connect');
    return id;
  }

  /** Does nothing for a stream that is gone or was answered. Throws RangeError as `request`. */
  respond(id: number, fields: Fields, last: boolean): void {
    const connection = this.#connection;
    const stream = connection.streams.get(id);
    const status = evaluateResponse(fields);
    if (status === undefined || status < STATUS_FINAL)
      throw new RangeError('not the header fields of a final response');
    if (stream === undefined || stream.answered || stream.localEnded) return;
    connection.sendHeaders(id, fields, last);
    stream.answered = true;
    stream.localEnded = last;
    connection.settle(stream);
    if (last) connection.countDenial();
  }

  resetStream(id: number, code: number): void {
    const connection = this.#connection;
    const stream = connection.streams.get(id);
    if (stream === undefined) return;
    // Not `closed`: in the event that tells of the peer's end it is not settled yet.
    if (stream.localEnded && stream.remoteEnded) connection.forget(stream);
    else {
      connection.resetStream(id, code);
      // Who is refused asked for too much, whether we say so or our user: else resets of refused streams would cost nothing.
      if (code === ErrorCode.REFUSED_STREAM && connection.role === 'server') connection.countReset();
    }
  }

  goaway(code: number, graceful: boolean): void {
    const connection = this.#connection;
    if (connection.failed) return;
    const last = graceful && connection.role === 'server' ? MAX_STREAM_ID : connection.lastPeerId;
    const before = connection.goawaySent;
    // RFC 9113 6.8: the last id must not grow
    const now = Math.min(last, before ?? MAX_STREAM_ID);
    connection.goawaySent = now;
    connection.control.goaway(now, code);
    // Requests that cross with it earn nothing by themselves, and are nobody's fault.
    if (connection.role === 'server' && now !== before && now < MAX_STREAM_ID)
      connection.budgets.noteCrossing(connection.options.maxConcurrentStreams);
  }

  ping(): number {
    const connection = this.#connection;
    if (connection.failed) return 0;
    connection.pingsSent += 1;
    connection.control.ping(connection.pingsSent);
    return connection.pingsSent;
  }

  #mayOpen(): boolean {
    const { control, failed, goawayReceived, goawaySent, nextId, openStreams, options, peer } = this.#connection;
    if (failed || goawayReceived !== undefined || goawaySent !== undefined || nextId > MAX_STREAM_ID) return false;
    // Half of the queue is the peer's share: our own requests alone must not end the connection.
    return openStreams < peer.maxConcurrentStreams && 2 * control.bytes < options.maxControlBytes;
  }
}
