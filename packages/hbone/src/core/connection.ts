import type { Events, Fields } from './contract.ts';
import { ControlQueue } from './control-queue.ts';
import { ErrorCode } from './error-code.ts';
import { MAX_STREAM_ID } from './frame.ts';
import { HpackEncoder } from './hpack/encoder.ts';
import { type CodecOptions, DEFAULT_WINDOW_BYTES, MAX_SENT_BLOCK_BYTES, type Role } from './limits.ts';
import { PeerBudget } from './peer-budget.ts';
import { buildSettings, PeerSettings } from './settings.ts';
import { Stream } from './stream.ts';

/** A WINDOW_UPDATE is due when this part of a window is owed: often enough to keep the peer sending, seldom enough to be free. */
const CREDIT_FRACTION = 4;

/** State of one connection that its receiving and its sending half share, and the transitions both make. */
export class Connection {
  readonly role: Role;
  readonly events: Events;
  readonly options: CodecOptions;
  readonly streams = new Map<number, Stream>();
  /** Streams whose user waits for `writable` and for the connection's window, or for `wake`, longest first. */
  readonly starved = new Set<Stream>();
  /** Streams whose user waits for `writable` and whose own window is shut: nobody looks at these but their own updates. */
  readonly #shut = new Set<Stream>();
  /** Inside of `wake`. */
  #waking = false;
  readonly control = new ControlQueue();
  /** Answers to PING, sent before everything else. */
  readonly urgent = new ControlQueue();
  readonly peer: PeerSettings;
  readonly encoder: HpackEncoder;
  readonly budgets: PeerBudget;
  sendWindow = DEFAULT_WINDOW_BYTES;
  /** Octets the peer may still send on all streams. */
  receiveWindow: number;
  /** Octets that came, or are announced by a frame, and that no user has credited. */
  #held = 0;
  /** The least part of the connection's window for which no WINDOW_UPDATE is due, whatever is held. */
  readonly lowWindowBytes: number;
  /** The least sum of window and held octets for which none is due. */
  readonly #fullWindowBytes: number;
  /** Streams that count against MAX_CONCURRENT_STREAMS. */
  openStreams = 0;
  /** Client: id of the next request. */
  nextId = 1;
  /** Server: highest id of a request. */
  lastPeerId = 0;
  /** Last id of the GOAWAY we sent. */
  goawaySent: number | undefined;
  /** Last id of the GOAWAY that came. */
  goawayReceived: number | undefined;
  /** We send SETTINGS once, in the greeting: more than one is never unacknowledged. Whoever has a clock limits the wait. */
  settingsAcked = false;
  pingsSent = 0;
  /** By a connection error or by `stop`. */
  failed = false;
  readonly #recentResets = new Set<number>();
  /** The same ids in a ring: a set whose oldest go again and again searches ever longer for the next oldest. */
  readonly #resetRing: number[] = [];
  #resetAt = 0;

  constructor(role: Role, events: Events, options: CodecOptions) {
    this.role = role;
    this.events = events;
    this.options = options;
    this.peer = new PeerSettings(role);
    this.encoder = new HpackEncoder(options.huffman, options);
    this.budgets = new PeerBudget(options);
    this.receiveWindow = options.connectionWindowBytes;
    this.lowWindowBytes = options.connectionWindowBytes / CREDIT_FRACTION;
    this.#fullWindowBytes = options.connectionWindowBytes - this.lowWindowBytes;
    if (role === 'client') this.control.preface();
    this.control.settings(buildSettings(role, options));
    const raise = options.connectionWindowBytes - DEFAULT_WINDOW_BYTES;
    if (raise > 0) this.control.windowUpdate(0, raise);
  }

  /** Connection error: nothing is received or sent any more but what waits in the queue and a GOAWAY. */
  fail(code: number, message: string): void {
    if (this.failed) return;
    this.stop();
    this.control.goaway(Math.min(this.lastPeerId, this.goawaySent ?? MAX_STREAM_ID), code);
    this.events.fatal(code, message);
  }

  /** Nothing is received or sent any more but what waits in the queue; there are no streams left to have events. */
  stop(): void {
    this.failed = true;
    for (const stream of this.streams.values()) stream.gone = true;
    this.streams.clear();
    this.starved.clear();
    this.#shut.clear();
    this.openStreams = 0;
  }

  /** Whether no frame of the stream was ever allowed. RFC 9113 5.1 */
  isIdle(id: number): boolean {
    const oursToOpen = (id & 1) === 1;
    if (!oursToOpen) return true;
    return this.role === 'client' ? id >= this.nextId : id > this.lastPeerId;
  }

  /** Whether frames of the stream are dropped in silence: we reset it lately, or it came after our GOAWAY. */
  isIgnored(id: number): boolean {
    if (this.#recentResets.has(id)) return true;
    return this.role === 'server' && this.goawaySent !== undefined && id > this.goawaySent && (id & 1) === 1;
  }

  open(id: number, connect: boolean): Stream {
    // Until it acknowledges our SETTINGS the peer may use the default window. RFC 9113 6.9.2
    const own = this.options.streamWindowBytes;
    const receiveWindow = this.settingsAcked ? own : Math.max(own, DEFAULT_WINDOW_BYTES);
    const stream = new Stream(id, connect, this.peer.streamWindowBytes, receiveWindow);
    this.streams.set(id, stream);
    this.openStreams += 1;
    this.budgets.noteStream();
    return stream;
  }

  /** Octets the stream may send; notes that its user waits when there are none. */
  budget(stream: Stream): number {
    if (stream.localEnded || (this.role === 'server' && !stream.answered)) return 0;
    const bytes = Math.min(stream.sendWindow, this.sendWindow);
    if (bytes > 0 && (this.starved.size === 0 || this.#waking || this.#isNext(stream))) return bytes;
    this.starve(stream);
    return 0;
  }

  /** Whether none waits longer: who asks between an update and `wake` comes behind those that wait for it. */
  #isNext(stream: Stream): boolean {
    const [longest] = this.starved;
    return longest === stream;
  }

  /** Its user waits for `writable`. */
  starve(stream: Stream): void {
    (stream.sendWindow > 0 ? this.starved : this.#shut).add(stream);
  }

  /** Its user waits no more. */
  feed(stream: Stream): void {
    this.starved.delete(stream);
    this.#shut.delete(stream);
  }

  /** The stream's own window opened. */
  unshut(stream: Stream): void {
    if (stream.sendWindow > 0 && this.#shut.delete(stream)) this.starved.add(stream);
  }

  /** All windows of streams became larger. */
  unshutAll(): void {
    for (const stream of this.#shut) this.unshut(stream);
  }

  get wakeWaiting(): boolean {
    return this.starved.size > 0 && this.sendWindow > 0;
  }

  /** Tells users that their windows opened. Who waits longest goes first and, when it takes all, goes last. */
  wake(): void {
    this.#waking = true;
    try {
      for (const stream of this.starved) {
        if (this.sendWindow <= 0) return;
        this.starved.delete(stream);
        // SETTINGS may have shut it again.
        if (stream.sendWindow <= 0) this.#shut.add(stream);
        else this.events.writable(stream.id);
      }
    } finally {
      this.#waking = false;
    }
  }

  /** Queues a header block in one frame. Throws RangeError if it is larger than any peer must take. */
  sendHeaders(id: number, fields: Fields, last: boolean): void {
    if (HpackEncoder.maxEncodedBytes(fields) > MAX_SENT_BLOCK_BYTES)
      throw new RangeError(`header fields of stream ${id} need more than ${MAX_SENT_BLOCK_BYTES} octets`);
    this.control.headers(id, this.encoder.encode(fields), last);
  }

  /** Closes the stream once both sides have ended, and forgets it once its bytes are credited as well. */
  settle(stream: Stream): void {
    if (!stream.localEnded || !stream.remoteEnded || stream.gone) return;
    this.feed(stream);
    if (!stream.closed) this.openStreams -= 1;
    stream.closed = true;
    if (stream.undelivered === 0) this.forget(stream);
  }

  /** Removes the stream; what its user did not credit goes back to the connection's window. */
  forget(stream: Stream): void {
    if (stream.gone) return;
    stream.gone = true;
    if (!stream.closed) this.openStreams -= 1;
    this.streams.delete(stream.id);
    this.feed(stream);
    this.release(stream.undelivered);
  }

  /** Queues RST_STREAM for a stream that is unknown or known, and forgets it. */
  resetStream(id: number, code: number): void {
    const stream = this.streams.get(id);
    this.control.resetStream(id, code);
    if (stream !== undefined) this.forget(stream);
    this.#rememberReset(id);
  }

  /** Stream error: the peer made us reset a stream. Its user, if it has one, is told. */
  streamError(id: number, code: number): void {
    const known = this.streams.has(id);
    this.resetStream(id, code);
    this.countReset();
    if (known && !this.failed) this.events.reset(id, code, true);
  }

  countUseless(): void {
    if (!this.budgets.allowUseless()) this.fail(ErrorCode.ENHANCE_YOUR_CALM, 'too many frames that change nothing');
  }

  /** A frame came for a stream that is closed, or that is ignored after our GOAWAY. */
  countLate(): void {
    if (!this.budgets.allowLate()) this.fail(ErrorCode.ENHANCE_YOUR_CALM, 'too many frames on closed streams');
  }

  countDenial(): void {
    if (!this.budgets.allowDenial()) this.fail(ErrorCode.ENHANCE_YOUR_CALM, 'too many requests that were denied');
  }

  countReset(): void {
    if (!this.budgets.allowReset())
      this.fail(ErrorCode.ENHANCE_YOUR_CALM, 'too many streams were reset (rapid reset, or errors on every stream)');
  }

  /** The user took octets of a stream. */
  credit(stream: Stream, bytes: number): void {
    const taken = Math.min(bytes, stream.undelivered);
    stream.undelivered -= taken;
    this.creditStream(stream, taken);
    this.release(taken);
    this.settle(stream);
  }

  /** Grants the peer octets of a stream again. */
  creditStream(stream: Stream, bytes: number): void {
    stream.owed += bytes;
    if (stream.remoteEnded || stream.gone || stream.owed * CREDIT_FRACTION < this.options.streamWindowBytes) return;
    this.control.windowUpdate(stream.id, stream.owed);
    stream.receiveWindow += stream.owed;
    stream.owed = 0;
  }

  /** A frame of so many octets begins, which its stream's user is to credit, or `release` if it has none. */
  take(bytes: number): void {
    this.receiveWindow -= bytes;
    this.#held += bytes;
  }

  /** Octets are no longer held: credited, or their stream is gone. */
  release(bytes: number): void {
    this.#held -= bytes;
    // Nothing is due: the short way of `grant`, for every DATA frame.
    if (this.receiveWindow > this.lowWindowBytes && this.#held + this.receiveWindow > this.#fullWindowBytes) return;
    this.grant();
  }

  /**
   * Grants the peer octets of the connection again: all that is not held, and of what is held what lies beyond half of the
   * window, as far as it may be lent. So what is held and what may come are the window and `maxLentBytes` at most.
   */
  grant(): void {
    const { connectionWindowBytes, maxLentBytes } = this.options;
    const lent = Math.min(maxLentBytes, Math.max(0, this.#held - connectionWindowBytes / 2));
    const owed = Math.floor(connectionWindowBytes - this.#held + lent) - this.receiveWindow;
    if (this.failed || owed * CREDIT_FRACTION < connectionWindowBytes) return;
    this.control.windowUpdate(0, owed);
    this.receiveWindow += owed;
  }

  #rememberReset(id: number): void {
    const { maxRecentResets } = this.options;
    if (maxRecentResets === 0 || this.#recentResets.has(id)) return;
    this.#recentResets.add(id);
    const oldest = this.#resetRing[this.#resetAt];
    if (oldest !== undefined) this.#recentResets.delete(oldest);
    this.#resetRing[this.#resetAt] = id;
    this.#resetAt = (this.#resetAt + 1) % maxRecentResets;
  }
}
