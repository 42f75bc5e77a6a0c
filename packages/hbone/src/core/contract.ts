/**
 * What the codec and its user are to one another. The codec does no I/O and owns no payload memory; everything is
 * synchronous. One `Codec` object serves one connection in one role.
 */

/** Name and value of a header field. */
export type Field = readonly [name: string, value: string];

/** A decoded header block, in the order received; names are lower case; values are octets as latin1 text. */
export type Fields = readonly Field[];

/** Receives what the peer sent. Calls come from inside `push` (`writable`: `wake`); neither may be called from them. */
export interface Events {
  /**
   * Payload of a DATA frame (or a part of it), as offsets into the memory being pushed, without padding; valid in the
   * call. `last`: the peer ended its side with it; the range may then be empty.
   */
  data(id: number, memory: Uint8Array, start: number, end: number, last: boolean): void;
  /** Server: a new request. Client: the response (1xx are skipped). `last`: END_STREAM. */
  headers(id: number, fields: Fields, last: boolean): void;
  /**
   * RST_STREAM came, or the codec itself had to reset the stream (`local`): it no longer exists. What its user had not
   * credited was given back to the connection's window.
   */
  reset(id: number, code: number, local: boolean): void;
  /**
   * GOAWAY came: no new stream may be opened. Own streams above `last` were not processed; `reset` with REFUSED_STREAM
   * reports each of them next. May come more than once.
   */
  goaway(last: number, code: number): void;
  /**
   * A window opened: `budget(id)` is positive again after it answered 0 or `data` used it up. Called by `wake`. Who waits
   * for the connection's window longest is told first; what it leaves goes to the next.
   */
  writable(id: number): void;
  /** The peer's SETTINGS were applied (first or later ones). */
  settings(): void;
  /** Our PING with this number was answered; numbers only grow. Not called for answers to PINGs that we did not send. */
  pong(number: number): void;
  /**
   * Connection error: GOAWAY with `code` is in the control queue; send it, then close. All streams are gone, without a
   * `reset` for each; no event follows and everything else is ignored.
   */
  fatal(code: number, message: string): void;
}

/** Bytes in. Any split of the same bytes gives the same events apart from how DATA is cut. */
export interface Receiver {
  push(memory: Uint8Array, start: number, end: number): void;
  /**
   * The user wants no more: no event follows, not even from the `push` that it is called in, and there are no streams any
   * more. What `control` has waiting may still be sent; nothing is added to it.
   */
  stop(): void;
}

/** Bytes out. */
export interface Sender {
  /**
   * Octets of DATA that may be sent on the stream now: min(stream window, connection window); 0 for streams that are
   * unknown, ended by us, or (server) not answered yet, when `writable` does not follow either: ask after `respond`.
   */
  budget(id: number): number;
  /** True when `wake` has someone to tell. */
  readonly wakeWaiting: boolean;
  /**
   * Calls `writable` for streams whose windows opened. To be called at the end of a turn, not after every `push`: a
   * thousand WINDOW_UPDATEs of one octet are then one DATA frame of a thousand, not a thousand. CVE-2019-9511
   */
  wake(): void;
  /** Largest payload the peer takes in one DATA frame. */
  readonly maxFrame: number;
  /**
   * Writes the 9 octets of a DATA frame header at `memory[at]` and takes `length` from the windows. `last`: END_STREAM.
   * What `control` has waiting must be sent before the frame: the stream's header block may be in it.
   */
  data(memory: Uint8Array, at: number, id: number, length: number, last: boolean): void;
  /**
   * Drains queued control frames (HEADERS, SETTINGS, PING, WINDOW_UPDATE, RST_STREAM, GOAWAY) into
   * `memory[at, at + room)`: whole frames only, answers to PING first. 0: none left, or `room` is too small for the next;
   * MIN_CONTROL_ROOM_BYTES is always enough.
   */
  control(memory: Uint8Array, at: number, room: number): number;
  /** True when `control` has something to write. */
  readonly controlWaiting: boolean;
  /**
   * The application took `bytes` of the stream: WINDOW_UPDATE for stream and connection at a quarter of each window. Goes
   * on after both sides have ended, until all bytes are credited or `resetStream` says that they never will be: else the
   * connection's window shrinks for good. Ignored for streams that are gone.
   */
  credit(id: number, bytes: number): void;
  /** Client: queues a CONNECT request; answers its stream id, or 0 when none may be opened now (GOAWAY, limit, ids used up). */
  request(fields: Fields): number;
  /**
   * Server: queues the response to a request. Ignored for streams that are gone. A flood of requests that are denied
   * (`last`) ends the connection: `fatal` may come from inside of the call.
   */
  respond(id: number, fields: Fields, last: boolean): void;
  /**
   * Queues RST_STREAM, unless both sides have ended, and forgets the stream: bytes not credited go back to the
   * connection's window. No event follows. Ignored for streams that are gone. Server: REFUSED_STREAM counts as a reset
   * that the peer provoked, so that one too many ends the connection, with `fatal`.
   */
  resetStream(id: number, code: number): void;
  /** Queues GOAWAY. `graceful` (server): last id 2^31-1 now; call again without it to send the real last id. */
  goaway(code: number, graceful: boolean): void;
  /** Queues a PING (8 octets chosen by the codec); answers its number, or 0 after a connection error. */
  ping(): number;
}
