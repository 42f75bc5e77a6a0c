import type { Connection } from './connection.ts';
import { DataReceiver } from './data-receiver.ts';
import { ErrorCode } from './error-code.ts';
import { CLIENT_PREFACE, Flag, FrameType, frameName, PAYLOAD_BYTES, readUint31, readUint32 } from './frame.ts';
import { type FrameHandler, FrameParser, type PayloadMode } from './frame-parser.ts';
import { HeaderReceiver } from './header-receiver.ts';
import { DEFAULT_WINDOW_BYTES, MAX_WINDOW_BYTES } from './limits.ts';

/** The receiving half of a connection: frames in, events out. Every frame on the right stream, of the right length. */
export class FrameReceiver implements FrameHandler {
  readonly #connection: Connection;
  readonly #parser: FrameParser;
  readonly #data: DataReceiver;
  readonly #headers: HeaderReceiver;
  /** Octets of the client's preface that have come (server). */
  #prefaceBytes: number;
  #settingsCame = false;
  #pongs = 0;
  /** The part of a GOAWAY before its debug data. */
  readonly #goawayPayload = new Uint8Array(PAYLOAD_BYTES.GOAWAY);
  #goawayBytes = 0;
  #type = 0;
  #flags = 0;
  #id = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#parser = new FrameParser(this);
    this.#data = new DataReceiver(connection);
    this.#headers = new HeaderReceiver(connection);
    this.#prefaceBytes = connection.role === 'server' ? 0 : CLIENT_PREFACE.length;
  }

  push(memory: Uint8Array, start: number, end: number): void {
    if (this.#connection.failed) return;
    let at = start;
    if (this.#prefaceBytes < CLIENT_PREFACE.length) at = this.#readPreface(memory, at, end);
    this.#parser.push(memory, at, end);
    this.#checkQueue();
  }

  begin(type: number, flags: number, id: number, length: number): PayloadMode {
    this.#type = type;
    this.#flags = flags;
    this.#id = id;
    this.#checkQueue();
    const connection = this.#connection;
    if (connection.failed) return 'stop';
    // Before the size: the text of another protocol reads as a frame of megabytes. RFC 9113 3.4
    if (!this.#settingsCame && (type !== FrameType.SETTINGS || (flags & Flag.ACK) !== 0))
      return this.#fail(ErrorCode.PROTOCOL_ERROR, 'the first frame is not SETTINGS: is the peer an HTTP/2 endpoint?');
    const unfinished = this.#headers.unfinished;
    if (unfinished !== 0 && (type !== FrameType.CONTINUATION || id !== unfinished))
      return this.#failInBlock(unfinished);
    if (length > connection.options.maxFrameBytes) return this.#failTooLong(length);
    const mode = type === FrameType.DATA ? this.#beginData(length) : this.#beginOther(length);
    return connection.failed ? 'stop' : mode;
  }

  piece(memory: Uint8Array, start: number, end: number): void {
    if (this.#type === FrameType.DATA) this.#data.piece(memory, start, end);
    else this.#goawayPiece(memory, start, end);
    if (this.#connection.failed) this.#parser.stop();
  }

  whole(memory: Uint8Array, start: number, end: number): void {
    switch (this.#type) {
      case FrameType.HEADERS:
        this.#headers.headers(this.#flags, this.#id, memory, [start, end]);
        break;
      case FrameType.CONTINUATION:
        this.#headers.continuation(this.#flags, memory, start, end);
        break;
      case FrameType.SETTINGS:
        this.#settings(memory, start, end);
        break;
      case FrameType.PING:
        this.#ping(memory, start);
        break;
      case FrameType.WINDOW_UPDATE:
        this.#windowUpdate(readUint31(memory, start));
        break;
      default:
        this.#reset(readUint32(memory, start));
    }
    if (this.#connection.failed) this.#parser.stop();
  }

  #readPreface(memory: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end && this.#prefaceBytes < CLIENT_PREFACE.length) {
      if (memory[at++] !== CLIENT_PREFACE[this.#prefaceBytes++]) {
        this.#fail(
          ErrorCode.PROTOCOL_ERROR,
          'no HTTP/2 preface: does the client speak HTTP/1.1 or another protocol on this port?',
        );
        return end;
      }
    }
    return at;
  }

  #fail(code: number, message: string): 'stop' {
    this.#connection.fail(code, message);
    this.#parser.stop();
    return 'stop';
  }

  #failInBlock(unfinished: number): 'stop' {
    const message = `${frameName(this.#type)} on stream ${this.#id} inside of the header block of stream ${unfinished}`;
    return this.#fail(ErrorCode.PROTOCOL_ERROR, message);
  }

  #failTooLong(length: number): 'stop' {
    const { maxFrameBytes } = this.#connection.options;
    const message = `${frameName(this.#type)} of ${length} octets, more than MAX_FRAME_SIZE ${maxFrameBytes}`;
    return this.#fail(ErrorCode.FRAME_SIZE_ERROR, message);
  }

  /** A peer that makes us answer and does not read the answers. */
  #checkQueue(): void {
    const { control, urgent, options } = this.#connection;
    if (control.bytes + urgent.bytes > options.maxControlBytes)
      this.#fail(
        ErrorCode.ENHANCE_YOUR_CALM,
        `more than ${options.maxControlBytes} octets of control frames wait for the peer to read them`,
      );
  }

  #beginData(length: number): PayloadMode {
    if (this.#id === 0) return this.#fail(ErrorCode.PROTOCOL_ERROR, 'DATA on stream 0');
    this.#data.begin(this.#flags, this.#id, length);
    return 'pieces';
  }

  /** Checks stream and length of everything but DATA. */
  #beginOther(length: number): PayloadMode {
    switch (this.#type) {
      case FrameType.HEADERS:
        return this.#beginBlock(length);
      case FrameType.CONTINUATION:
        if (this.#headers.unfinished === 0)
          return this.#fail(ErrorCode.PROTOCOL_ERROR, 'CONTINUATION without a header block before it');
        return this.#beginBlock(length);
      case FrameType.PRIORITY:
        return this.#beginPriority(length);
      case FrameType.RST_STREAM:
        return this.#require(length, length === PAYLOAD_BYTES.RST_STREAM, this.#id !== 0);
      case FrameType.SETTINGS:
        return this.#beginSettings(length);
      case FrameType.PING:
        return this.#require(length, length === PAYLOAD_BYTES.PING, this.#id === 0);
      case FrameType.GOAWAY:
        return this.#beginGoaway(length);
      case FrameType.WINDOW_UPDATE:
        return this.#require(length, length === PAYLOAD_BYTES.WINDOW_UPDATE, true);
      case FrameType.PUSH_PROMISE:
        // Clients forbid it (ENABLE_PUSH 0) and must not send it. RFC 9113 6.6, 8.4
        return this.#fail(ErrorCode.PROTOCOL_ERROR, 'PUSH_PROMISE, which is disabled (a tunnel has nothing to push)');
      default:
        this.#connection.countUseless();
        return 'skip';
    }
  }

  #require(length: number, rightLength: boolean, rightStream: boolean): PayloadMode {
    if (rightStream && rightLength) return 'whole';
    const name = frameName(this.#type);
    if (!rightStream) return this.#fail(ErrorCode.PROTOCOL_ERROR, `${name} on stream ${this.#id}`);
    return this.#fail(ErrorCode.FRAME_SIZE_ERROR, `${name} of ${length} octets`);
  }

  #beginBlock(length: number): PayloadMode {
    if (this.#id === 0) return this.#fail(ErrorCode.PROTOCOL_ERROR, 'HEADERS on stream 0');
    const problem = this.#headers.excess(length);
    return problem === undefined ? 'whole' : this.#fail(ErrorCode.ENHANCE_YOUR_CALM, problem);
  }

  #beginPriority(length: number): PayloadMode {
    this.#connection.countUseless();
    if (this.#connection.failed) return 'stop';
    if (this.#id === 0) return this.#fail(ErrorCode.PROTOCOL_ERROR, 'PRIORITY on stream 0');
    if (length === PAYLOAD_BYTES.PRIORITY) return 'skip';
    // RFC 9113 6.3: a stream error; but streams that are idle or closed cannot be reset (6.4)
    if (this.#connection.streams.has(this.#id)) this.#connection.streamError(this.#id, ErrorCode.FRAME_SIZE_ERROR);
    else if (this.#connection.isIdle(this.#id))
      return this.#fail(ErrorCode.FRAME_SIZE_ERROR, `PRIORITY of ${length} octets`);
    return 'skip';
  }

  #beginSettings(length: number): PayloadMode {
    const ack = (this.#flags & Flag.ACK) !== 0;
    const mode = this.#require(length, ack ? length === 0 : length % PAYLOAD_BYTES.SETTING === 0, this.#id === 0);
    const { maxSettingsEntries } = this.#connection.options;
    if (mode === 'whole' && length / PAYLOAD_BYTES.SETTING > maxSettingsEntries)
      return this.#fail(ErrorCode.ENHANCE_YOUR_CALM, `SETTINGS with more than ${maxSettingsEntries} entries`);
    this.#settingsCame = true;
    return mode;
  }

  #beginGoaway(length: number): PayloadMode {
    const mode = this.#require(length, length >= PAYLOAD_BYTES.GOAWAY, this.#id === 0);
    this.#goawayBytes = 0;
    // Not as a whole: debug data, which nobody reads, may be as long as a frame.
    return mode === 'whole' ? 'pieces' : mode;
  }

  #settings(memory: Uint8Array, start: number, end: number): void {
    const connection = this.#connection;
    if ((this.#flags & Flag.ACK) !== 0) {
      this.#settingsAcked();
      return;
    }
    if (!this.#allowAnswer(1)) return;
    const { peer } = connection;
    const before = peer.streamWindowBytes;
    const error = peer.apply(memory, start, end);
    if (error !== undefined) {
      this.#fail(error.code, error.message);
      return;
    }
    connection.encoder.limitTable(peer.leastHeaderTableBytes);
    connection.encoder.limitTable(peer.headerTableBytes);
    if (!this.#resizeWindows(peer.streamWindowBytes - before)) return;
    connection.control.settingsAck();
    connection.events.settings();
  }

  /** RFC 9113 6.9.2. False: a connection error. */
  #resizeWindows(delta: number): boolean {
    const connection = this.#connection;
    // One frame opens the windows of all streams, each of which then costs a read and a frame: CVE-2019-9511
    if (delta === 0) return true;
    if (!this.#allowAnswer(connection.streams.size)) return false;
    for (const stream of connection.streams.values()) {
      stream.sendWindow += delta;
      if (stream.sendWindow > MAX_WINDOW_BYTES) {
        this.#fail(
          ErrorCode.FLOW_CONTROL_ERROR,
          `INITIAL_WINDOW_SIZE makes the window of stream ${stream.id} larger than 2^31-1`,
        );
        return false;
      }
    }
    if (delta > 0) connection.unshutAll();
    return true;
  }

  #allowAnswer(cost: number): boolean {
    if (this.#connection.budgets.allowAnswer(cost)) return true;
    this.#fail(ErrorCode.ENHANCE_YOUR_CALM, 'too many PING or SETTINGS frames, each of which wants an answer');
    return false;
  }

  #settingsAcked(): void {
    const connection = this.#connection;
    if (connection.settingsAcked) {
      this.#fail(ErrorCode.PROTOCOL_ERROR, 'SETTINGS acknowledged twice');
      return;
    }
    connection.settingsAcked = true;
    const delta = Math.min(0, connection.options.streamWindowBytes - DEFAULT_WINDOW_BYTES);
    for (const stream of connection.streams.values()) stream.receiveWindow += delta;
  }

  #ping(memory: Uint8Array, at: number): void {
    const connection = this.#connection;
    if ((this.#flags & Flag.ACK) === 0) {
      if (this.#allowAnswer(1)) connection.urgent.pong(memory, at);
      return;
    }
    const number = readUint32(memory, at + 4);
    if (readUint32(memory, at) !== 0 || number <= this.#pongs || number > connection.pingsSent) {
      connection.countUseless();
      return;
    }
    this.#pongs = number;
    connection.events.pong(number);
  }

  #goawayPiece(memory: Uint8Array, start: number, end: number): void {
    if (this.#goawayBytes === PAYLOAD_BYTES.GOAWAY) return;
    const payload = this.#goawayPayload;
    for (let at = start; at < end && this.#goawayBytes < PAYLOAD_BYTES.GOAWAY; at++)
      payload[this.#goawayBytes++] = memory[at]!;
    if (this.#goawayBytes === PAYLOAD_BYTES.GOAWAY) this.#goaway(readUint31(payload, 0), readUint32(payload, 4));
  }

  #goaway(last: number, code: number): void {
    const connection = this.#connection;
    const before = connection.goawayReceived;
    if (before !== undefined) {
      // RFC 9113 6.8: the last id must not grow
      if (last > before) this.#fail(ErrorCode.PROTOCOL_ERROR, `GOAWAY with last id ${last} after one with ${before}`);
      else connection.countUseless();
      if (connection.failed) return;
    }
    connection.goawayReceived = last;
    connection.events.goaway(last, code);
    if (connection.role === 'server') return;
    // RFC 9113 6.8: streams above the last id were not processed and may be tried again elsewhere
    for (const stream of connection.streams.values()) {
      if (stream.id <= last || stream.closed) continue;
      connection.forget(stream);
      connection.events.reset(stream.id, ErrorCode.REFUSED_STREAM, false);
    }
  }

  #windowUpdate(increment: number): void {
    const connection = this.#connection;
    if (!connection.budgets.allowWindowUpdate()) {
      this.#fail(ErrorCode.ENHANCE_YOUR_CALM, 'far more WINDOW_UPDATE frames than there was DATA');
      return;
    }
    if (this.#id === 0) {
      this.#connectionWindowUpdate(increment);
      return;
    }
    const stream = connection.streams.get(this.#id);
    if (stream === undefined) {
      // No late frame: a peer that buffers a whole stream grants windows for it long after the end, and paid above.
      if (!this.#isKnown()) this.#fail(ErrorCode.PROTOCOL_ERROR, `WINDOW_UPDATE on idle stream ${this.#id}`);
      return;
    }
    // RFC 9113 6.9: an increment of 0 is an error
    if (increment === 0) connection.streamError(stream.id, ErrorCode.PROTOCOL_ERROR);
    else if (stream.sendWindow + increment > MAX_WINDOW_BYTES)
      connection.streamError(stream.id, ErrorCode.FLOW_CONTROL_ERROR);
    else {
      stream.sendWindow += increment;
      connection.unshut(stream);
    }
  }

  #connectionWindowUpdate(increment: number): void {
    const connection = this.#connection;
    if (increment === 0) this.#fail(ErrorCode.PROTOCOL_ERROR, 'WINDOW_UPDATE of 0 octets on stream 0');
    else if (connection.sendWindow + increment > MAX_WINDOW_BYTES)
      this.#fail(ErrorCode.FLOW_CONTROL_ERROR, 'WINDOW_UPDATE makes the window of the connection larger than 2^31-1');
    else connection.sendWindow += increment;
  }

  #reset(code: number): void {
    const connection = this.#connection;
    const stream = connection.streams.get(this.#id);
    if (stream === undefined || stream.closed) {
      this.#withoutStream('RST_STREAM');
      return;
    }
    connection.forget(stream);
    // An answered request was worth its while, and a client lost nothing.
    if (connection.role === 'server' && !stream.answered) connection.countReset();
    if (!connection.failed) connection.events.reset(stream.id, code, false);
  }

  /** RFC 9113 5.1: frames that cross with the end of a stream are no error, those before its start are. */
  #withoutStream(frame: string): void {
    if (this.#isKnown()) this.#connection.countLate();
    else this.#fail(ErrorCode.PROTOCOL_ERROR, `${frame} on idle stream ${this.#id}`);
  }

  #isKnown(): boolean {
    return this.#connection.isIgnored(this.#id) || !this.#connection.isIdle(this.#id);
  }
}
