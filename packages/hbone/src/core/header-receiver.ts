import type { Connection } from './connection.ts';
import type { Fields } from './contract.ts';
import { ErrorCode } from './error-code.ts';
import { Flag, PAYLOAD_BYTES } from './frame.ts';
import { type HeaderList, HpackDecoder } from './hpack/decoder.ts';
import { areTrailersValid, contentLength, evaluateRequest, evaluateResponse } from './request.ts';
import { CONTENT_UNKNOWN, type Stream } from './stream.ts';

/** Octets of a HEADERS payload that are no header block: pad length, padding, priority. */
const MAX_BESIDE_BLOCK_BYTES = 1 + 255 + PAYLOAD_BYTES.PRIORITY;
/** RFC 6585 5 */
const TOO_LARGE: Fields = [[':status', '431']];
const NOTHING = new Uint8Array(0);
/** Octets of a block over the list limit that count as a useless frame: 250 KiB in a burst, decoded in some 10 ms. */
const OVERSIZED_OCTETS_A_FRAME = 256;

const STATUS_OK_FIRST = 200;
const STATUS_OK_LAST = 299;
const SWITCHING_PROTOCOLS = 101;
const NOT_MODIFIED = 304;
/** Gaps between ids of requests that are remembered; clients leave none. What is forgotten costs only the better error code. */
const MAX_SKIPPED_RANGES = 16;

/** Receives HEADERS and CONTINUATION: collects header blocks, decodes them and judges them. RFC 9113 6.2, 6.10, 8 */
export class HeaderReceiver {
  readonly #connection: Connection;
  readonly #decoder: HpackDecoder;
  #id = 0;
  #last = false;
  /** The block so far; undefined when no CONTINUATION is due. */
  #block: Uint8Array | undefined;
  #blockBytes = 0;
  #continuations = 0;
  /** Server: ids that the client left out, which are closed thereby. RFC 9113 5.1.1 */
  readonly #skipped: (readonly [from: number, to: number])[] = [];

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#decoder = new HpackDecoder(connection.options.maxHeaderListBytes);
  }

  /** Stream whose block is unfinished, so that only CONTINUATION of it may follow; 0: none. */
  get unfinished(): number {
    return this.#block === undefined ? 0 : this.#id;
  }

  /** What limit a HEADERS or CONTINUATION frame of this length exceeds, if any. */
  excess(length: number): string | undefined {
    const { maxContinuations, maxHeaderBlockBytes } = this.#connection.options;
    if (length + this.#blockBytes > maxHeaderBlockBytes + MAX_BESIDE_BLOCK_BYTES)
      return `header block of more than ${maxHeaderBlockBytes} octets`;
    if (this.#block !== undefined && this.#continuations >= maxContinuations)
      return `header block in more than ${maxContinuations} CONTINUATION frames`;
    return undefined;
  }

  /** A whole HEADERS payload. */
  headers(flags: number, id: number, payload: Uint8Array, range: readonly [start: number, end: number]): void {
    let [start, end] = range;
    const padded = (flags & Flag.PADDED) !== 0;
    // Its octet is read only once it is known to be there.
    const padLengthAt = start;
    if (padded) start += 1;
    if ((flags & Flag.PRIORITY) !== 0) start += PAYLOAD_BYTES.PRIORITY;
    if (start > end) {
      // RFC 9113 4.2: too small for mandatory data
      this.#connection.fail(ErrorCode.FRAME_SIZE_ERROR, 'HEADERS without the pad length or priority of its flags');
      return;
    }
    if (padded) end -= payload[padLengthAt]!;
    if (start > end) {
      this.#connection.fail(ErrorCode.PROTOCOL_ERROR, 'HEADERS with more padding than its length allows');
      return;
    }
    this.#id = id;
    this.#last = (flags & Flag.END_STREAM) !== 0;
    this.#continuations = 0;
    if ((flags & Flag.END_HEADERS) !== 0) this.#decode(payload, start, end);
    else this.#append(payload, start, end);
  }

  /** A whole CONTINUATION payload of the stream `unfinished`. */
  continuation(flags: number, payload: Uint8Array, start: number, end: number): void {
    this.#continuations += 1;
    this.#append(payload, start, end);
    if ((flags & Flag.END_HEADERS) === 0 || this.#block === undefined) return;
    const block = this.#block;
    const bytes = this.#blockBytes;
    this.#block = undefined;
    this.#blockBytes = 0;
    this.#decode(block, 0, bytes);
  }

  #append(payload: Uint8Array, start: number, end: number): void {
    const bytes = this.#blockBytes + end - start;
    if (this.#block === undefined || bytes > this.#block.length) {
      const grown = new Uint8Array(2 * bytes);
      if (this.#block !== undefined) grown.set(this.#block.subarray(0, this.#blockBytes));
      this.#block = grown;
    }
    this.#block.set(payload.subarray(start, end), this.#blockBytes);
    this.#blockBytes = bytes;
  }

  #decode(block: Uint8Array, start: number, end: number): void {
    const connection = this.#connection;
    const { maxHeaderBlockBytes } = connection.options;
    if (end - start > maxHeaderBlockBytes) {
      connection.fail(ErrorCode.ENHANCE_YOUR_CALM, `header block of more than ${maxHeaderBlockBytes} octets`);
      return;
    }
    // Before anything else, whatever becomes of the stream: the table is the connection's. RFC 9113 4.3
    const list = this.#decoder.decode(block, start, end);
    if (list === undefined) {
      connection.fail(ErrorCode.COMPRESSION_ERROR, `header block of stream ${this.#id} cannot be decoded (HPACK)`);
      return;
    }
    if (list.tooLarge) this.#countOversized(end - start);
    if (connection.failed) return;
    const stream = connection.streams.get(this.#id);
    if (stream === undefined) this.#withoutStream(list);
    else if (stream.remoteEnded) connection.streamError(this.#id, ErrorCode.STREAM_CLOSED);
    else if (connection.role === 'server' || stream.answered) this.#trailers(stream, list);
    else this.#response(stream, list);
  }

  /** A list that nobody sees is decoded for the table's sake; a table churned by many would take all our time. */
  #countOversized(octets: number): void {
    for (
      let left = octets;
      left >= OVERSIZED_OCTETS_A_FRAME && !this.#connection.failed;
      left -= OVERSIZED_OCTETS_A_FRAME
    )
      this.#connection.countUseless();
  }

  #withoutStream(list: HeaderList): void {
    const connection = this.#connection;
    const id = this.#id;
    if (connection.isIgnored(id)) connection.countLate();
    else if (connection.role === 'client') this.#lateResponse(id);
    else if (!connection.isIdle(id)) this.#lateRequest(id);
    else if ((id & 1) === 1) this.#request(list);
    else connection.fail(ErrorCode.PROTOCOL_ERROR, `request on stream ${id}: a client's ids are odd`);
  }

  #lateResponse(id: number): void {
    const connection = this.#connection;
    if (connection.isIdle(id)) connection.fail(ErrorCode.PROTOCOL_ERROR, `response on idle stream ${id}`);
    else connection.streamError(id, ErrorCode.STREAM_CLOSED);
  }

  /** RFC 9113 5.1, 5.1.1: the client ended the stream itself, or never opened it and opened a later one. */
  #lateRequest(id: number): void {
    const skipped = this.#skipped.some(([from, to]) => id >= from && id <= to);
    if (skipped)
      this.#connection.fail(
        ErrorCode.PROTOCOL_ERROR,
        `request on stream ${id} after one on stream ${this.#connection.lastPeerId}: ids must grow`,
      );
    else this.#connection.fail(ErrorCode.STREAM_CLOSED, `HEADERS on stream ${id}, which was closed`);
  }

  #request(list: HeaderList): void {
    const connection = this.#connection;
    const { maxConcurrentStreams } = connection.options;
    const id = this.#id;
    this.#noteId(id);
    // Closed streams with uncredited bytes are not open, but memory is held for them: as many of those at most.
    const full = connection.openStreams >= maxConcurrentStreams || connection.streams.size >= 2 * maxConcurrentStreams;
    if (full) {
      connection.streamError(id, ErrorCode.REFUSED_STREAM);
      return;
    }
    if (list.tooLarge) {
      connection.sendHeaders(id, TOO_LARGE, true);
      if (this.#last) connection.countReset();
      else connection.streamError(id, ErrorCode.NO_ERROR);
      return;
    }
    const kind = evaluateRequest(list.fields);
    if (kind === undefined) {
      connection.streamError(id, ErrorCode.PROTOCOL_ERROR);
      return;
    }
    const contentBytes = kind === 'connect' ? CONTENT_UNKNOWN : contentLength(list.fields);
    if (contentBytes === undefined || (this.#last && contentBytes > 0)) {
      connection.streamError(id, ErrorCode.PROTOCOL_ERROR);
      return;
    }
    const stream = connection.open(id, kind === 'connect');
    stream.contentLeft = contentBytes;
    stream.remoteEnded = this.#last;
    connection.events.headers(id, list.fields, this.#last);
  }

  #noteId(id: number): void {
    const { lastPeerId } = this.#connection;
    // The first id is 1, whose predecessor would be -1.
    const next = lastPeerId === 0 ? 1 : lastPeerId + 2;
    if (id > next) this.#skipped.push([next, id - 2]);
    if (this.#skipped.length > MAX_SKIPPED_RANGES) this.#skipped.shift();
    this.#connection.lastPeerId = id;
  }

  #response(stream: Stream, { fields, tooLarge }: HeaderList): void {
    const connection = this.#connection;
    if (tooLarge) {
      connection.streamError(stream.id, ErrorCode.ENHANCE_YOUR_CALM);
      return;
    }
    const status = evaluateResponse(fields);
    const interim = status !== undefined && status < STATUS_OK_FIRST;
    if (status === undefined || status === SWITCHING_PROTOCOLS || (interim && this.#last)) {
      connection.streamError(stream.id, ErrorCode.PROTOCOL_ERROR);
      return;
    }
    if (interim) {
      connection.countUseless();
      return;
    }
    const refusal = status > STATUS_OK_LAST && status !== NOT_MODIFIED;
    const contentBytes = refusal && stream.connect ? contentLength(fields) : CONTENT_UNKNOWN;
    if (contentBytes === undefined || (this.#last && contentBytes > 0)) {
      connection.streamError(stream.id, ErrorCode.PROTOCOL_ERROR);
      return;
    }
    stream.contentLeft = contentBytes;
    stream.answered = true;
    stream.established = status <= STATUS_OK_LAST;
    stream.remoteEnded = this.#last;
    connection.events.headers(stream.id, fields, this.#last);
    connection.settle(stream);
  }

  /** RFC 9113 8.5: none on a connected stream; 8.1: they end the stream. */
  #trailers(stream: Stream, { fields, tooLarge }: HeaderList): void {
    const connection = this.#connection;
    const tunnel = stream.connect && (connection.role === 'server' || stream.established);
    const allowed = !tunnel && this.#last && areTrailersValid(fields) && stream.contentLeft <= 0;
    if (!allowed || tooLarge) {
      connection.streamError(stream.id, allowed ? ErrorCode.ENHANCE_YOUR_CALM : ErrorCode.PROTOCOL_ERROR);
      return;
    }
    stream.remoteEnded = true;
    connection.events.data(stream.id, NOTHING, 0, 0, true);
    connection.settle(stream);
  }
}
