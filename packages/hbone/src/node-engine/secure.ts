import type { X509Certificate } from 'node:crypto';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { ConnectionFailure, Secure, SecureHandler, SocketAddress, TlsOptions } from '../engine.ts';
import { CHAIN_TOO_LONG, MAX_CHAIN } from '../engine-rules/peer-chain-limit.ts';
import { QUEUE_LIMIT_BYTES, RESUME_ROOM_BYTES, TURN_BYTES } from '../engine-rules/queue-limits.ts';
import { systemFailure } from '../engine-rules/system-failure.ts';
import {
  chainFailure,
  handshakeEnd,
  handshakeTimeout,
  type TlsRole,
  verificationFailure,
} from '../engine-rules/tls-failure.ts';
import { ALPN_PROTOCOL, DECODE_ERROR_ALERT } from '../engine-rules/tls-parameters.ts';
import { emptyContext, NodeCredentials } from './credentials.ts';
import { canPresentWithoutRoot, clientChainError, onTlsError, presentWithoutRoot, readInto } from './node-internals.ts';
import { nodeTls } from './node-tls.ts';
import { Outgoing } from './outgoing.ts';
import { hasSpokenHttp, tlsFailure } from './tls-error.ts';
import type { Flushable, Turn } from './turn.ts';

/** Host names play no part: `verify` looks at SPIFFE ids. */
const ANY_NAME = (): undefined => undefined;
/** The socket went without an error of its own. */
const CLOSED = systemFailure('ECONNRESET');

const NOBODY: SecureHandler = {
  established: () => {},
  bytes: () => {},
  delivered: () => {},
  writable: () => {},
  ended: () => {},
  failed: () => {},
};

/** What TLS runs on. */
export interface Carrier {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  readonly stream: Duplex;
  /** Why `stream` is gone already. */
  readonly lost: Error | undefined;
}

/** `Secure` on a `TLSSocket`. */
export class NodeSecure implements Secure, Flushable {
  handler: SecureHandler;
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  readonly #socket: TLSSocket;
  readonly #turn: Turn;
  readonly #role: TlsRole;
  readonly #verify: TlsOptions['verify'];
  #timer: NodeJS.Timeout | undefined;
  #peerChain: readonly Uint8Array[] = [];
  #established = false;
  readonly #outgoing: Outgoing;
  #dirty = false;
  #blocked = false;
  #deliveredDue = false;
  #paused = false;
  /** Received in this turn, and whether that was enough. */
  #turnBytes = 0;
  #resting = false;
  /** Came behind a `pause`. */
  #held: Buffer[] | undefined;
  #closing = false;
  /** The end was handed to the socket. */
  #ending = false;
  #closed: (() => void) | undefined;
  #gone = false;

  // oxlint-disable-next-line max-params -- one caller, in this folder
  constructor(role: TlsRole, carrier: Carrier, turn: Turn, options: TlsOptions, handler: SecureHandler) {
    this.#role = role;
    this.#turn = turn;
    this.#verify = (chain) => options.verify(chain);
    this.handler = handler;
    this.local = carrier.local;
    this.remote = carrier.remote;
    if (!(options.credentials instanceof NodeCredentials)) throw new TypeError('credentials of another engine');
    const { context } = options.credentials;
    const { stream: raw, lost } = carrier;
    const shared = { secureContext: context, ALPNProtocols: [ALPN_PROTOCOL], highWaterMark: QUEUE_LIMIT_BYTES };
    if (role === 'server') {
      const secureContext = presentsWithoutRoot() ? emptyContext() : context;
      const server = { ...shared, isServer: true, requestCert: true, rejectUnauthorized: true };
      this.#socket = new (nodeTls().TLSSocket)(raw, { ...server, secureContext });
      if (secureContext !== context) presentWithoutRoot(this.#socket, context);
      this.#socket.on('secure', () => this.#handshakeDone(clientChainError(this.#socket)));
    } else {
      // No `host` or `servername`: no SNI. What is verified is decided below, with a text of our own.
      const client = { ...shared, socket: raw, rejectUnauthorized: false, checkServerIdentity: ANY_NAME };
      // The reference asks for a stapled OCSP response and looks at none. hbone.md §1.1, extension 5
      const asking = { ...client, requestOCSP: true };
      this.#socket = nodeTls().connect(asking);
      this.#socket.on('secureConnect', () => this.#handshakeDone(this.#authorizationCode()));
    }
    this.#outgoing = new Outgoing(this.#socket, turn.slabs, () => this.#wrote());
    this.#socket.on('error', (error) => {
      if (hasSpokenHttp(error)) raw.write(DECODE_ERROR_ALERT);
      this.#fail(tlsFailure(role, error));
    });
    onTlsError(this.#socket, (error) => {
      if (this.#established) this.#fail(tlsFailure(role, error));
    });
    this.#socket.on('end', () => this.#peerEnded());
    this.#socket.on('close', () => {
      if (lost !== undefined) this.#fail(tlsFailure(role, lost));
      else this.#fail(this.#established ? CLOSED : handshakeEnd(role));
    });
    this.#timer = setTimeout(
      () => this.#refuse(handshakeTimeout(options.handshakeTimeoutMs)),
      options.handshakeTimeoutMs,
    );
    this.#timer.unref();
  }

  get peerChain(): readonly Uint8Array[] {
    return this.#peerChain;
  }

  get room(): number {
    if (this.#gone || this.#closing) return 0;
    const room = QUEUE_LIMIT_BYTES - this.#outgoing.bytes;
    if (room <= 0) this.#blocked = true;
    return room;
  }

  send(memory: Uint8Array, start: number, end: number): void {
    if (this.#gone || this.#closing) return;
    this.#touch();
    this.#outgoing.append(memory, start, end);
  }

  sendFrame(header: Uint8Array, memory: Uint8Array, start: number, end: number): void {
    this.send(header, 0, header.length);
    this.send(memory, start, end);
  }

  pause(): void {
    if (this.#gone || this.#closing) return;
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (this.#gone || this.#closing || !this.#paused) return;
    this.#paused = false;
    if (this.#held === undefined) this.#readOn();
    else this.#turn.atEnd(() => this.#deliverHeld());
  }

  close(done?: () => void): void {
    if (this.#closing) return;
    this.#closed = done;
    if (this.#gone) this.#tellClosed();
    if (this.#gone) return;
    this.#closing = true;
    this.handler = NOBODY;
    this.#held = undefined;
    this.#touch();
    // What still comes is dropped: bytes left unread would turn our FIN into a RST.
    this.#socket.resume();
    this.#abortAfter(this.#turn.closeLimits.closeStalledMs);
  }

  abort(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#stopTimer();
    this.#socket.destroy();
    this.#tellClosed();
  }

  flush(): void {
    this.#dirty = false;
    if (this.#gone) return;
    this.#outgoing.flush();
    this.#finish();
  }

  /** Goes on with a close that waits for what was queued. */
  #finish(): void {
    if (!this.#closing || this.#ending || this.#dirty || this.#outgoing.waiting) return;
    this.#ending = true;
    this.#socket.end(() => this.#abortAfter(this.#turn.closeLimits.closeLingerMs));
  }

  #abortAfter(ms: number): void {
    this.#stopTimer();
    if (this.#gone) return;
    this.#timer = setTimeout(() => this.abort(), ms);
    this.#timer.unref();
  }

  #tellClosed(): void {
    const closed = this.#closed;
    this.#closed = undefined;
    if (closed !== undefined) this.#turn.atEnd(closed);
  }

  #touch(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    this.#turn.flushAtEnd(this);
  }

  #wrote(): void {
    if (this.#gone) return;
    if (this.#closing) {
      this.#timer?.refresh();
      this.#finish();
    } else if (this.#blocked && this.room >= RESUME_ROOM_BYTES) {
      this.#blocked = false;
      this.handler.writable();
    }
  }

  #authorizationCode(): string | undefined {
    if (this.#socket.authorized) return undefined;
    return String(this.#socket.authorizationError ?? 'UNVERIFIED');
  }

  #handshakeDone(refusal: string | undefined): void {
    if (this.#gone || this.#closing) return;
    const leaf = this.#socket.getPeerX509Certificate();
    if (refusal !== undefined || leaf === undefined) {
      this.#refuse(chainFailure(this.#role, refusal ?? 'UNVERIFIED', leaf));
      return;
    }
    const chain = derChain(leaf);
    const reason = chain === undefined ? CHAIN_TOO_LONG : this.#verify(chain);
    if (chain === undefined || reason !== undefined) {
      this.#refuse(verificationFailure(this.#role, reason ?? CHAIN_TOO_LONG));
      return;
    }
    this.#stopTimer();
    this.#peerChain = chain;
    this.#established = true;
    const { readMemory } = this.#turn;
    if (!readInto(this.#socket, readMemory, (bytes) => this.#arrived(readMemory, bytes)))
      this.#socket.on('data', (chunk: Buffer) => this.#arrived(chunk, chunk.length));
    this.#socket.resume();
    this.handler.established();
  }

  #arrived(memory: Uint8Array, bytes: number): void {
    if (this.#gone || this.#closing) return;
    if (this.#paused) {
      // A read from the kernel brings several records, and we were asked to stop after one of them.
      this.#held ??= [];
      this.#held.push(Buffer.from(memory.subarray(0, bytes)));
      return;
    }
    if (!this.#deliveredDue) {
      this.#deliveredDue = true;
      this.#turn.atEnd(this.#delivered);
    }
    this.#turnBytes += bytes;
    if (this.#turnBytes >= TURN_BYTES && !this.#resting) {
      this.#resting = true;
      this.#socket.pause();
    }
    this.handler.bytes(memory, 0, bytes);
  }

  #readOn(): void {
    if (!this.#gone && !this.#closing && !this.#paused && !this.#resting) this.#socket.resume();
  }

  #deliverHeld(): void {
    while (this.#held !== undefined && !this.#paused) {
      const chunk = this.#held.shift();
      if (chunk === undefined) {
        this.#held = undefined;
        this.#readOn();
      } else this.#arrived(chunk, chunk.length);
    }
  }

  readonly #delivered = (): void => {
    this.#deliveredDue = false;
    this.#turnBytes = 0;
    if (this.#resting) {
      this.#resting = false;
      if (this.#held === undefined) this.#readOn();
    }
    if (!this.#gone && !this.#closing) this.handler.delivered();
  };

  #peerEnded(): void {
    if (this.#gone) return;
    if (this.#closing) {
      // The timer goes on: a peer that has ended its side may still not read the rest of ours. With a flush due the
      // socket ends by that, behind what is gathered.
      if (!this.#dirty && !this.#outgoing.waiting) this.#socket.destroySoon();
    } else if (this.#established) this.handler.ended(false);
    else this.#refuse(handshakeEnd(this.#role));
  }

  #refuse(failure: ConnectionFailure): void {
    const fail = !this.#gone;
    const { handler } = this;
    this.abort();
    if (fail) handler.failed(failure);
  }

  #fail(failure: ConnectionFailure): void {
    this.#stopTimer();
    if (this.#gone) return;
    this.#gone = true;
    this.#socket.destroy();
    this.#tellClosed();
    this.handler.failed(failure);
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

let withoutRoot: boolean | undefined;

/** Asked once, of a socket that is never connected. */
function presentsWithoutRoot(): boolean {
  if (withoutRoot === undefined) {
    const probe = new (nodeTls().TLSSocket)(new Socket(), { isServer: true, secureContext: emptyContext() });
    withoutRoot = canPresentWithoutRoot(probe);
    probe.destroy();
  }
  return withoutRoot;
}

/** The peer's chain, or undefined if it is too long to be looked at. */
function derChain(leaf: X509Certificate): readonly Uint8Array[] | undefined {
  const chain: Uint8Array[] = [];
  let bytes = 0;
  let next: X509Certificate | undefined = leaf;
  while (next !== undefined) {
    const { raw } = next;
    bytes += raw.length;
    if (chain.length === MAX_CHAIN.certificates || bytes > MAX_CHAIN.bytes) return undefined;
    chain.push(raw);
    next = next.issuerCertificate;
  }
  return chain;
}
