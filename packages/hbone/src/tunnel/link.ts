import { Codec } from '../core/codec.ts';
import type { Events, Fields } from '../core/contract.ts';
import { ErrorCode } from '../core/error-code.ts';
import { type CodecOptions, MIN_CONTROL_ROOM_BYTES, type Role } from '../core/limits.ts';
import type { Cancellable, ConnectionFailure, Engine, Secure, SecureHandler } from '../engine.ts';
import { Liveness, type LivenessOptions } from './liveness.ts';
import { CONNECTION_ABORTED, CONNECTION_ENDED, CONNECTION_UNANNOUNCED, errorCodeText } from './stream-failure.ts';
import { tellEach } from './tell-each.ts';
import type { TunnelStream } from './tunnel-stream.ts';

/** Both ends' settings; what is left out is hbone.md §2. */
export interface TunnelOptions {
  readonly codec?: Partial<CodecOptions> | undefined;
  readonly liveness?: LivenessOptions | undefined;
  /** Milliseconds in which the peer's SETTINGS and its acknowledgement of ours must come; default SETTINGS_TIMEOUT_MS. */
  readonly settingsTimeoutMs?: number | undefined;
}

/** The part of a connection that differs between client and server. */
export interface LinkOwner {
  headers(id: number, fields: Fields, last: boolean): void;
  /** `code`: why. */
  goaway(code: number): void;
  settings(): void;
  /** A PING other than for liveness was answered. */
  pong(): void;
  /** The peer no longer answers. */
  silent(): void;
  /** A stream ended in whatever way; `streams` is smaller by it. */
  streamEnded(stream: TunnelStream): void;
  /** The connection carries nothing more, though what is queued may yet leave: its streams, gone from `streams`, are told next. */
  ended(failure: ConnectionFailure | undefined): void;
  /** The connection is gone, and what was queued has left unless it failed; all streams were told before. */
  closed(failure: ConnectionFailure | undefined): void;
}

/** A round trip and then some; the peers of a mesh need milliseconds. The same as for the TLS handshake before it. */
export const SETTINGS_TIMEOUT_MS = 10_000;

const FRAME_HEADER_BYTES = 9;
/** What a peer that broke the protocol, or fell silent, has for reading our GOAWAY. */
const DISMISSAL_MS = 2000;
/** Scratch memory: the engine copies from it within the call. */
const header = new Uint8Array(FRAME_HEADER_BYTES);
const controlScratch = new Uint8Array(2 * MIN_CONTROL_ROOM_BYTES);

/** What both ends of a tunnel connection are made of: a TLS connection, a codec, and the streams on them. */
export class Link implements SecureHandler {
  readonly engine: Engine;
  readonly secure: Secure;
  readonly codec: Codec;
  readonly role: Role;
  readonly streams = new Map<number, TunnelStream>();
  readonly #owner: LinkOwner;
  readonly #liveness: Liveness | undefined;
  /** Streams that wait for room in the TLS queue or for their next turn, longest first. */
  readonly #waiting = new Set<TunnelStream>();
  /** Numbers of the PINGs on the way, one of each kind at most; 0: none. */
  #livenessPing = 0;
  #ownerPing = 0;
  /** Ends a connection whose SETTINGS do not settle, then one whose peer does not read our last words. */
  #deadline: Cancellable | undefined;
  #controlDue = false;
  #serveDue = false;
  #closed = false;
  #told = false;

  // oxlint-disable-next-line max-params -- two callers, in this folder
  constructor(engine: Engine, secure: Secure, owner: LinkOwner, role: Role, options: TunnelOptions) {
    this.engine = engine;
    this.secure = secure;
    this.role = role;
    this.#owner = owner;
    this.codec = new Codec(role, new LinkEvents(this, owner), { now: () => engine.now(), ...options.codec });
    secure.handler = this;
    if (options.liveness !== undefined)
      this.#liveness = new Liveness(
        engine,
        options.liveness,
        () => {
          this.#livenessPing = this.#ping();
        },
        () => owner.silent(),
      );
    this.#deadline = engine.after(options.settingsTimeoutMs ?? SETTINGS_TIMEOUT_MS, this.#checkSettings);
    this.touch();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Sends what the codec has queued at the end of the turn. */
  touch(): void {
    if (this.#controlDue || this.#closed || !this.codec.controlWaiting) return;
    this.#controlDue = true;
    this.engine.atEndOfTurn(this.#sendControl);
  }

  /** Sends a PING; `owner.pong` follows. One at a time. */
  ping(): void {
    this.#ownerPing = this.#ping();
  }

  sendData(stream: TunnelStream, memory: Uint8Array, start: number, end: number): void {
    this.#flushControl();
    const { codec, secure } = this;
    for (let at = start; at < end; ) {
      const bytes = Math.min(end - at, codec.maxFrame);
      codec.data(header, 0, stream.id, bytes, false);
      secure.sendFrame(header, memory, at, at + bytes);
      at += bytes;
    }
  }

  sendEnd(stream: TunnelStream): void {
    this.#flushControl();
    this.codec.data(header, 0, stream.id, 0, true);
    this.secure.send(header, 0, FRAME_HEADER_BYTES);
  }

  respond(stream: TunnelStream, fields: Fields, last: boolean): void {
    this.codec.respond(stream.id, fields, last);
    this.touch();
  }

  credit(stream: TunnelStream, bytes: number): void {
    this.codec.credit(stream.id, bytes);
    this.touch();
  }

  reset(stream: TunnelStream, code: number): void {
    this.codec.resetStream(stream.id, code);
    this.touch();
    this.#forget(stream);
  }

  /** The stream goes on when it may: told by the codec if a window is shut, else in turn with the others. */
  wait(stream: TunnelStream): void {
    if (this.codec.budget(stream.id) <= 0) return;
    this.#waiting.add(stream);
    this.#serveSoon();
  }

  /** Forgets a stream once both sides have ended. */
  settle(stream: TunnelStream): void {
    if (stream.localEnded && stream.remoteEnded) this.#forget(stream);
  }

  /** Sends what is queued and closes; streams that are left fail with `failure`. `owner.closed` follows when all has left. */
  close(failure: ConnectionFailure = CONNECTION_ENDED): void {
    if (this.#closed) return;
    this.#flushControl();
    this.secure.close(() => this.#tell(failure));
    this.#endStreams(failure);
  }

  /** As `close`, for a peer that cannot be trusted to read: what has not left soon never does. */
  dismiss(failure: ConnectionFailure = CONNECTION_ENDED): void {
    if (this.#told) return;
    tellEach([() => this.close(failure), () => this.#limitDismissal(failure)], (step) => step());
  }

  /** Cuts the connection, also one that is closing; streams fail with `failure`. */
  abort(failure: ConnectionFailure = CONNECTION_ABORTED): void {
    if (this.#told) return;
    this.secure.abort();
    this.failed(failure);
  }

  // SecureHandler

  established(): void {
    // It was before this object existed.
  }

  bytes(memory: Uint8Array, start: number, end: number): void {
    if (this.#closed) return;
    try {
      this.codec.push(memory, start, end);
    } catch (error) {
      // A handler threw, and the rest of these bytes is lost: the connection cannot go on.
      const fault = (): void => {
        throw error;
      };
      tellEach([fault, () => this.abort()], (step) => step());
    }
    this.touch();
    // Windows that opened in small steps in one turn are one step.
    if (this.codec.wakeWaiting) this.#serveSoon();
  }

  delivered(): void {
    // Credit and control frames are gathered at the end of the turn anyway.
  }

  writable(): void {
    this.touch();
    this.#serve();
  }

  ended(unannounced: boolean): void {
    this.close(unannounced ? CONNECTION_UNANNOUNCED : CONNECTION_ENDED);
  }

  failed(failure: ConnectionFailure): void {
    tellEach([() => this.#endStreams(failure), () => this.#tell(failure)], (step) => step());
  }

  /** For the codec: a window opened. */
  windowOpened(id: number): void {
    const stream = this.streams.get(id);
    if (stream === undefined) return;
    if (this.secure.room > 0) stream.handler.writable();
    else this.#waiting.add(stream);
  }

  /** For the codec: a stream no longer exists. */
  streamReset(id: number, code: number, local: boolean): void {
    const stream = this.streams.get(id);
    if (stream === undefined) return;
    this.#forget(stream);
    stream.fail({ kind: 'reset', code, local });
  }

  /** For the codec: a PING was answered, and so were those before it: a peer reads what we send in order. */
  answered(number: number): void {
    if (this.#livenessPing > 0 && this.#livenessPing <= number) {
      this.#livenessPing = 0;
      this.#liveness?.answered();
    }
    if (this.#ownerPing > 0 && this.#ownerPing <= number) {
      this.#ownerPing = 0;
      this.#owner.pong();
    }
  }

  #ping(): number {
    const number = this.codec.ping();
    this.touch();
    return number;
  }

  #forget(stream: TunnelStream): void {
    this.#waiting.delete(stream);
    if (this.streams.delete(stream.id)) this.#owner.streamEnded(stream);
  }

  #endStreams(failure: ConnectionFailure): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#liveness?.stop();
    this.#deadline?.cancel();
    this.#waiting.clear();
    // It may be in the midst of what was received: the rest of it is for nobody.
    this.codec.stop();
    const streams = [...this.streams.values()];
    this.streams.clear();
    const reason = { kind: 'connection', failure } as const;
    // All before the first is told, which may be joined to another one and pass its end on.
    for (const stream of streams) stream.lose(reason);
    // The owner first: what a stream's handler does about it must meet a connection that is known to be dead.
    const owner = (): void => this.#owner.ended(unlessOrderly(failure));
    tellEach([owner, () => tellEach(streams, (stream) => stream.fail(reason))], (step) => step());
  }

  #limitDismissal(failure: ConnectionFailure): void {
    if (this.#told) return;
    this.#deadline?.cancel();
    this.#deadline = this.engine.after(DISMISSAL_MS, () => this.abort(failure));
  }

  #tell(failure: ConnectionFailure): void {
    if (this.#told) return;
    this.#told = true;
    this.#deadline?.cancel();
    this.#owner.closed(unlessOrderly(failure));
  }

  #flushControl(): void {
    const { codec, secure } = this;
    while (codec.controlWaiting) {
      const bytes = codec.control(controlScratch, 0, controlScratch.length);
      if (bytes === 0) return;
      secure.send(controlScratch, 0, bytes);
    }
  }

  readonly #checkSettings = (): void => {
    if (this.codec.settled) return;
    this.codec.goaway(ErrorCode.SETTINGS_TIMEOUT, false);
    this.dismiss(connectionError(ErrorCode.SETTINGS_TIMEOUT, 'SETTINGS, or the acknowledgement of ours, did not come'));
  };

  readonly #sendControl = (): void => {
    this.#controlDue = false;
    // A peer that does not read leaves the rest with the codec, which bounds it; `writable` comes back to it.
    if (!this.#closed && this.secure.room > 0) this.#flushControl();
  };

  #serveSoon(): void {
    if (this.#serveDue || this.secure.room <= 0) return;
    this.#serveDue = true;
    this.engine.atEndOfTurn(this.#serve);
  }

  /** Gives every waiting stream its turn while there is room; who has more to send comes back last. */
  readonly #serve = (): void => {
    // Held while streams are served: those that come back are in the same round.
    this.#serveDue = true;
    try {
      if (this.secure.room > 0) this.codec.wake();
      for (const stream of this.#waiting) {
        if (this.#closed || this.secure.room <= 0) break;
        this.#waiting.delete(stream);
        stream.handler.writable();
      }
    } finally {
      // Left over with room for them only when one of them threw.
      const left = this.#waiting.size > 0 || this.codec.wakeWaiting;
      this.#serveDue = !this.#closed && left && this.secure.room > 0;
      if (this.#serveDue) this.engine.atEndOfTurn(this.#serve);
    }
  };
}

/** What the codec says, passed on. */
class LinkEvents implements Events {
  readonly #link: Link;
  readonly #owner: LinkOwner;

  constructor(link: Link, owner: LinkOwner) {
    this.#link = link;
    this.#owner = owner;
  }

  // oxlint-disable-next-line max-params -- given by Events
  data(id: number, memory: Uint8Array, start: number, end: number, last: boolean): void {
    const stream = this.#link.streams.get(id);
    if (stream === undefined) return;
    stream.receive(memory, start, end, last);
    if (last) this.#link.settle(stream);
  }

  headers(id: number, fields: Fields, last: boolean): void {
    this.#owner.headers(id, fields, last);
  }

  reset(id: number, code: number, local: boolean): void {
    this.#link.streamReset(id, code, local);
  }

  goaway(_last: number, code: number): void {
    this.#owner.goaway(code);
  }

  writable(id: number): void {
    this.#link.windowOpened(id);
  }

  settings(): void {
    this.#owner.settings();
  }

  pong(number: number): void {
    this.#link.answered(number);
  }

  fatal(code: number, message: string): void {
    this.#link.dismiss(connectionError(code, message));
  }
}

function unlessOrderly(failure: ConnectionFailure): ConnectionFailure | undefined {
  return failure === CONNECTION_ENDED ? undefined : failure;
}

/** A connection error that we found. */
function connectionError(code: number, detail: string): ConnectionFailure {
  return { code: 'HTTP2', message: `connection error detected: ${errorCodeText(code)}`, detail };
}
