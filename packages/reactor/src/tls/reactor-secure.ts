import type { ConnectionFailure, Plain, Secure, SecureHandler, SocketAddress, TlsOptions } from '@ambientmesh/hbone';
import {
  carrierFailure,
  handshakeTimeout,
  QUEUE_LIMIT_BYTES,
  RESUME_ROOM_BYTES,
  systemFailure,
  type TlsRole,
} from '@ambientmesh/hbone/engine';
import type { Flushable, Unfinished } from '../loop/reactor.ts';
import { SLOT_HEADROOM_BYTES, SLOT_PAYLOAD_BYTES } from '../loop/read-memory.ts';
import type { Handle } from '../native/open-ssl.ts';
import type { Carrier, CarrierOwner } from './carrier.ts';
import { Farewell } from './farewell.ts';
import { Gathered } from './gathered.ts';
import type { Handshaking } from './handshake-gate.ts';
import type { Verifier } from './peer-verification.ts';
import type { Outcome, Protection } from './protection.ts';
import { Session } from './session.ts';
import { takeOver } from './take-over.ts';
import { ReactorCredentials } from './tls-context.ts';
import type { TlsThread } from './tls-thread.ts';
import type { WireUser } from './wire.ts';

/** Frames of more than this are records of their own if they need no copy; smaller ones share one. */
const OWN_RECORD_BYTES = 4096;
/** Answers to KeyUpdates that a peer lets wait, 27 octets each: it is not read from before it has taken what waits. */
const MOST_ANSWER_BYTES = 131_072;

const UNVERIFIED: ConnectionFailure = { code: 'TLS', message: 'the peer has not been verified' };

const NOBODY: SecureHandler = {
  established: () => {},
  bytes: () => {},
  delivered: () => {},
  writable: () => {},
  ended: () => {},
  failed: () => {},
};

/**
 * `handshake`; `open`; `closing`: the last words are to be written at the end of the turn; `leaving`: they were; `gone`.
 */
type State = 'handshake' | 'open' | 'closing' | 'leaving' | 'gone';

/** `Secure` by the OpenSSL inside of node. */
export class ReactorSecure implements Secure, Flushable, Unfinished, CarrierOwner, Verifier, WireUser, Handshaking {
  handler: SecureHandler;
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  readonly role: TlsRole;
  readonly verify: TlsOptions['verify'];
  /** The `SSL_CTX`, which the session takes a reference of. */
  readonly context: Handle;
  awaitsPeer = false;
  readonly #tls: TlsThread;
  readonly #carrier: Carrier;
  /** Until it is done. */
  #handshake: Session | undefined;
  #session: Protection | undefined;
  readonly #gathered: Gathered;
  #state: State = 'handshake';
  #timer: { cancel(): void } | undefined;
  #verifiedChain: readonly Uint8Array[] = [];
  #refusal: ConnectionFailure | undefined;
  /** Sent before the handshake was done. */
  #early: Uint8Array[] = [];
  #earlyBytes = 0;
  /** Plaintext of records that are on the wire. */
  #onWire = 0;
  #dirty = false;
  #blocked = false;
  #paused = false;
  #flooded = false;
  #unfinished = false;
  #peerEnded = false;
  #closed = false;
  /** Why nothing can be written any more; told at the end of the turn. */
  #broken: ConnectionFailure | undefined;
  #farewell: Farewell | undefined;
  #done: (() => void) | undefined;

  // oxlint-disable-next-line max-params -- one caller, the engine
  constructor(role: TlsRole, tls: TlsThread, plain: Plain, options: TlsOptions, handler: SecureHandler) {
    const { credentials, handshakeTimeoutMs } = options;
    if (!(credentials instanceof ReactorCredentials)) throw new TypeError('credentials of another engine');
    this.role = role;
    this.verify = (chain) => options.verify(chain);
    this.handler = handler;
    this.context = credentials.context;
    this.#tls = tls;
    this.#carrier = takeOver(tls, plain);
    this.#carrier.owner = this;
    this.local = this.#carrier.local;
    this.remote = this.#carrier.remote;
    this.#gathered = new Gathered(tls.reactor);
    if (!tls.gate.begin(this)) this.#broken = tls.gate.refusal;
    else if (this.context === 0) this.#broken = { code: 'TLS', message: 'the credentials are closed' };
    else this.#session = this.#handshake = new Session(tls, role, this.#carrier, this);
    if (this.#handshake?.freed) this.#broken = systemFailure('ENOMEM', 'OpenSSL has no memory for a connection');
    this.#timer = tls.reactor.after(handshakeTimeoutMs, () => this.#fail(handshakeTimeout(handshakeTimeoutMs)));
    this.#touch();
  }

  get peerChain(): readonly Uint8Array[] {
    return this.#state === 'handshake' ? [] : this.#verifiedChain;
  }

  get room(): number {
    if (this.#state !== 'open' && this.#state !== 'handshake') return 0;
    const limit = Math.min(QUEUE_LIMIT_BYTES, this.#tls.reactor.slabs.share);
    const room = limit - this.#earlyBytes - this.#gathered.bytes - this.#onWire - this.#carrier.queued;
    if (room <= 0) this.#blocked = true;
    return room;
  }

  send(memory: Uint8Array, start: number, end: number): void {
    if (this.#state === 'handshake') {
      this.#early.push(memory.slice(start, end));
      this.#earlyBytes += end - start;
    }
    if (this.#state !== 'open' || this.#broken !== undefined) return;
    this.#touch();
    for (let at = start; at < end; ) {
      const bytes = this.#gathered.append(memory, at, end);
      if (bytes === 0) return this.#break(systemFailure('ENOBUFS', 'No buffer space available (os error 105)'));
      at += bytes;
      if (this.#gathered.full) this.#writeGathered();
    }
  }

  sendFrame(header: Uint8Array, memory: Uint8Array, start: number, end: number): void {
    const { arena, readMemory } = this.#tls.reactor;
    const ownRecord =
      memory === arena.bytes &&
      end - start > OWN_RECORD_BYTES &&
      end - start <= SLOT_PAYLOAD_BYTES &&
      header.length === SLOT_HEADROOM_BYTES &&
      readMemory.isPayloadStart(start);
    if (!ownRecord || this.#state !== 'open') {
      this.send(header, 0, header.length);
      this.send(memory, start, end);
      return;
    }
    this.#touch();
    this.#writeGathered();
    const at = start - SLOT_HEADROOM_BYTES;
    for (let index = 0; index < SLOT_HEADROOM_BYTES; index++) arena.bytes[at + index] = header[index]!;
    this.#write(at, end - at);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#readOn();
  }

  close(done?: () => void): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#done = done;
    if (this.#state === 'gone') return this.#over();
    if (this.#tls.reactor.closed) return this.abort();
    if (this.#state !== 'open' && this.#state !== 'handshake') return;
    this.handler = NOBODY;
    const { closeStalledMs } = this.#tls.closeLimits;
    if (this.#state === 'handshake') this.#leave();
    else {
      this.#state = 'closing';
      this.#timer = this.#tls.reactor.after(closeStalledMs, () => this.abort());
      this.#touch();
    }
  }

  abort(): void {
    if (this.#state === 'gone') return;
    this.handler = NOBODY;
    if (this.#farewell !== undefined) return this.#farewell.cut();
    this.#release();
    this.#carrier.cut();
    this.#over();
  }

  flush(): void {
    this.#dirty = false;
    // One handshake too many is not waited for: it would be held by nobody's count.
    if (this.#broken !== undefined && this.#state === 'handshake') this.lost(this.#broken);
    else if (this.#broken !== undefined) this.#fail(this.#broken);
    else if (this.#state === 'handshake') this.#shakeHands();
    else if (this.#state === 'open') {
      this.#writeGathered();
      this.#tls.wire.flush(this);
      this.#tellRoom();
    } else if (this.#state === 'closing') {
      this.#writeGathered();
      if (this.#broken === undefined) this.#session?.closeNotify();
      this.#leave();
    }
  }

  drain(): void {
    this.#onWire = 0;
    this.#carrier.drain();
  }

  readable(): void {
    if (this.#unfinished) return;
    if (this.#state === 'handshake') this.#shakeHands();
    else if (this.#state === 'open') this.#receive();
  }

  sent(): void {
    if (this.#flooded && !this.#isFlooded()) this.#readOn();
    this.#tellRoom();
  }

  lost(failure: ConnectionFailure): void {
    if (this.#state === 'gone') return;
    const { handler } = this;
    this.#release();
    this.#carrier.close();
    this.#over();
    handler.failed(carrierFailure(this.role, failure));
  }

  goOn(): void {
    this.#unfinished = false;
    this.readable();
  }

  accepted(peerChain: readonly Uint8Array[]): void {
    this.#verifiedChain = peerChain;
  }

  refused(failure: ConnectionFailure): void {
    this.#refusal = failure;
  }

  giveWay(): void {
    if (this.#state === 'leaving') this.abort();
    else this.#break(this.#tls.gate.refusal);
  }

  #shakeHands(): void {
    if (this.#handshake === undefined) return;
    this.awaitsPeer = false;
    if (!this.#tls.gate.step()) return this.#goOnSoon();
    const outcome = this.#handshake.shakeHands(this);
    if (this.#state !== 'handshake') return;
    if (outcome === 'more') this.#establish(this.#handshake);
    else if (outcome === 'wait') {
      this.awaitsPeer = true;
      this.#carrier.watch(true);
    } else if (typeof outcome === 'object') this.#fail(this.#refusal ?? outcome);
  }

  #establish(handshake: Session): void {
    // OpenSSL asks before it answers so; if it ever did not, anybody would be let in.
    if (this.#verifiedChain.length === 0) return this.#fail(UNVERIFIED);
    this.#state = 'open';
    this.#session = handshake.handOver();
    this.#handshake = undefined;
    this.#tls.gate.end(this);
    this.#timer?.cancel();
    this.#carrier.watch(true);
    const early = this.#early;
    this.#early = [];
    this.#earlyBytes = 0;
    for (const bytes of early) this.send(bytes, 0, bytes.length);
    this.handler.established();
    // What came behind the handshake is read already.
    if (this.#isOpen() && this.#session?.holds) this.#receive();
  }

  #receive(): void {
    if (this.#peerEnded || this.#session === undefined) return;
    if (this.#paused || this.#isFlooded()) return this.#carrier.watch(false);
    const { reactor } = this.#tls;
    const { records } = reactor.readMemory;
    reactor.settle();
    const { bytes, outcome } = this.#session.read(records);
    if (this.#session.answered > 0) this.#touch();
    if (bytes > 0) this.handler.bytes(reactor.arena.bytes, records, records + bytes);
    if (bytes > 0 && this.#isOpen()) this.handler.delivered();
    if (this.#isOpen()) this.#conclude(outcome);
  }

  /** Whether the peer asks for answers, and does not take them. */
  #isFlooded(): boolean {
    const session = this.#session;
    if (session === undefined || session.answered === 0) return false;
    if (this.#carrier.queued === 0) session.answered = 0;
    this.#flooded = session.answered > MOST_ANSWER_BYTES;
    return this.#flooded;
  }

  #readOn(): void {
    if (this.#state !== 'open' || this.#peerEnded || this.#paused) return;
    this.#carrier.watch(true);
    // What was read already has no event of its own.
    if (this.#session?.holds) this.#goOnSoon();
  }

  /** Not narrowed by what was known before a callback. */
  #isOpen(): boolean {
    return this.#state === 'open';
  }

  #conclude(outcome: Outcome): void {
    if (outcome === 'more') this.#goOnSoon();
    else if (outcome === 'end' || outcome === 'fin') {
      this.#peerEnded = true;
      this.#carrier.watch(false);
      this.handler.ended(outcome === 'fin');
    } else if (typeof outcome === 'object') this.#fail(outcome);
  }

  #goOnSoon(): void {
    if (this.#unfinished) return;
    this.#unfinished = true;
    this.#tls.reactor.goOnNextTurn(this);
  }

  #touch(): void {
    if (this.#dirty) return;
    this.#tls.reactor.flushAtEnd(this);
    this.#dirty = true;
  }

  #writeGathered(): void {
    const { at, bytes } = this.#gathered;
    if (bytes === 0) return;
    this.#write(at, bytes);
    this.#gathered.drop();
  }

  #write(at: number, length: number): void {
    if (this.#session === undefined || this.#broken !== undefined) return;
    const failure = this.#session.write(at, length);
    if (failure !== undefined) this.#break(failure);
    else this.#onWire += length;
  }

  #break(failure: ConnectionFailure): void {
    this.#broken ??= failure;
    this.#touch();
  }

  #tellRoom(): void {
    if (!this.#blocked || this.#state !== 'open') return;
    // Where memory is scarce so much room never comes, but half of the share does.
    if (this.room < Math.min(RESUME_ROOM_BYTES, this.#tls.reactor.slabs.share / 2)) return;
    this.#blocked = false;
    this.handler.writable();
  }

  /** TLS is over: what OpenSSL has said of it leaves, and FIN. */
  #fail(failure: ConnectionFailure): void {
    if (this.#state !== 'handshake' && this.#state !== 'open') return this.abort();
    const { handler } = this;
    this.handler = NOBODY;
    this.#leave();
    handler.failed(failure);
  }

  #leave(): void {
    this.#state = 'leaving';
    this.awaitsPeer = true;
    this.#timer?.cancel();
    this.#gathered.drop();
    this.#tls.wire.flush(this);
    this.#tls.wire.release(this);
    this.#session?.free();
    this.#farewell = new Farewell(this.#tls, this.#carrier, this.#peerEnded, () => this.#over());
  }

  /** Gives back everything but the carrier. */
  #release(): void {
    this.#timer?.cancel();
    this.#gathered.drop();
    this.#early = [];
    this.#tls.wire.release(this);
    this.#session?.free();
  }

  #over(): void {
    this.#state = 'gone';
    this.handler = NOBODY;
    this.#tls.gate.end(this);
    const done = this.#done;
    this.#done = undefined;
    if (done !== undefined) this.#tls.reactor.atEndOfTurn(done);
  }
}
