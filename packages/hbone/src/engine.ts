/**
 * The two interfaces on which every synchronous state machine of the data path runs, and the engine that makes them.
 *
 * Rules that hold for every engine:
 * - All methods are synchronous and never block; all callbacks come on the engine's own thread, never from inside the
 *   method that caused them (a `write` never calls back before it has returned).
 * - Memory passed to a callback is lent for the duration of the call. Whoever must keep bytes passes them on with
 *   `write`/`send`, which copy or keep them as the engine's memory allows.
 * - What was written in one turn of the loop leaves in as few system calls as possible at its end; nobody calls flush.
 * - After `failed`, `close`, `reset` or `abort` no further callback comes, and every further method is a no-op.
 */

/** A TCP endpoint. `ip` is textual and canonical: a v4-mapped v6 address is written as v4. */
export interface SocketAddress {
  readonly ip: string;
  readonly port: number;
}

/** Receives bytes as `memory[start, end)`; valid during the call only. */
export interface ByteSink {
  bytes(memory: Uint8Array, start: number, end: number): void;
}

/** `Plain.read` answers this once the peer has ended its side and all its bytes were delivered. */
export const END = -1;

/** Why a socket or a TLS connection ended other than by an orderly close. */
export interface ConnectionFailure {
  /** errno name (`ECONNRESET`, `ETIMEDOUT`, …), or `TLS` for everything the TLS layer refuses. */
  readonly code: string;
  /**
   * For people: the system's text (`Connection refused (os error 111)`; `deadline has elapsed` when it was the engine's own
   * time-out), or the TLS error in the words of hbone.md §4 (accepting side) and ztunnel.md §11.1 (dialling side).
   */
  readonly message: string;
  /** What to check, where more is known than `message` may say: it keeps the reference's words. For debug logs. */
  readonly detail?: string;
}

/** What the owner of a `Plain` is told. */
export interface PlainHandler {
  /** Bytes or the end of the stream wait: call `read`. Comes again only after `read` has answered 0. */
  readable(): void;
  /** The kernel took `bytes` of what was written; `queued` has shrunk by as much. */
  written(bytes: number): void;
  /** The socket is gone (reset by the peer, write to a closed peer, time-out). Unread bytes are lost. */
  failed(failure: ConnectionFailure): void;
}

/** An application's TCP socket. Starts without a reader: nothing is read from the kernel before the first `read`. */
export interface Plain {
  handler: PlainHandler;
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  /** The socket's descriptor, for socket options; -1 when the engine has none or the socket is closed. */
  readonly descriptor: number;
  /** Delivers at most `max` waiting bytes to `sink` and answers how many; 0: none now, `readable` follows; `END`: no more. */
  read(max: number, sink: ByteSink): number;
  /** Queues bytes. Not bounded here: the owner bounds it by the credit it grants its peer. */
  write(memory: Uint8Array, start: number, end: number): void;
  /** Bytes accepted by `write` that the kernel has not taken yet. */
  readonly queued: number;
  /**
   * Bytes that may be written now at no cost to other connections, where they share the memory for what waits and little of
   * it is left. 0 or less: wait for `written`; never without something queued. Absent: as many as the owner wants.
   */
  readonly room?: number;
  /** Sends FIN after what is queued; reading goes on. */
  end(): void;
  /** Closes after what is queued was sent; the kernel answers FIN, or RST if received bytes were left unread. */
  close(): void;
  /** Drops what is queued and sends RST. Also after `close`. */
  reset(): void;
}

/** What the owner of a `Secure` is told. */
export interface SecureHandler {
  /** The handshake is done and the peer's certificate was verified by chain and by `verify`. Comes first, once. */
  established(): void;
  /** Decrypted bytes; only after `established`. */
  bytes(memory: Uint8Array, start: number, end: number): void;
  /** All `bytes` of this turn were delivered: the place for work that is cheaper once than per record. */
  delivered(): void;
  /** `room` is positive again after it was not. */
  writable(): void;
  /**
   * The peer ended its side. `unannounced`: by a FIN without close_notify before it, which anybody on the way can send, or a
   * process that was killed. An engine that cannot tell the two apart, as that on `node:tls`, says false of both.
   */
  ended(unannounced: boolean): void;
  /** The handshake or the connection failed. */
  failed(failure: ConnectionFailure): void;
}

/** A mutual TLS connection. */
export interface Secure {
  handler: SecureHandler;
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  /** The peer's certificates as DER, leaf first; empty before `established`. */
  readonly peerChain: readonly Uint8Array[];
  /** Bytes that may be sent now before the queue passes its limit. 0 or less: stop reading for it until `writable`. */
  readonly room: number;
  /** Queues a copy of the bytes: control frames and other small things. */
  send(memory: Uint8Array, start: number, end: number): void;
  /** Queues a frame, header and payload; what was lent may be, so that an engine can spare a copy. */
  sendFrame(header: Uint8Array, memory: Uint8Array, start: number, end: number): void;
  /** Stops and resumes reading: the peer's back-pressure is TCP's own. */
  pause(): void;
  resume(): void;
  /**
   * close_notify and FIN after what is queued; `done` once nothing of it is left: the peer ended too, or it was cut.
   * Nobody above has a deadline for it, so the engine has: a peer that takes nothing of what is queued, or has it all and
   * does not end its side, is cut in limited time, and `done` comes.
   */
  close(done?: () => void): void;
  /** Cuts the TCP connection; nothing queued is sent. Also after `close`. */
  abort(): void;
}

/** Certificate, key and trust of one end, prepared for handshakes by an engine (`Engine.credentials`). */
export interface Credentials {
  /** Brand: made by an engine, used by the same. */
  readonly engine: Engine;
  /**
   * No more connections are made with them: what the engine keeps for them is freed once those that there are have ended.
   * Idempotent. Engines that leave this to the garbage collection have none.
   */
  close?(): void;
}

export interface CredentialsSource {
  /** Leaf and intermediates, without the root, as PEM. */
  readonly chainPem: string;
  readonly privateKeyPem: string;
  /** Every trusted root, as PEM. */
  readonly rootsPem: readonly string[];
}

export interface TlsOptions {
  readonly credentials: Credentials;
  /**
   * Says why a peer whose chain is valid is refused, or undefined to accept it. DER, leaf first. A text is what stands in
   * `Other(OtherError(…))` of the failure's message; a `certificateError` (a `Refusal` of @ambientmesh/spiffe has one)
   * stands in its place.
   */
  verify(peerChain: readonly Uint8Array[]): string | { readonly certificateError: string } | undefined;
  /** Milliseconds until an unfinished handshake fails with code `TLS`. */
  readonly handshakeTimeoutMs: number;
}

/** Takes over accepted connections; `plain.handler` must be set before it returns, or the connection made secure. */
export interface Acceptor {
  accepted(plain: Plain): void;
  /**
   * No connection can be accepted for now: descriptors or memory are exhausted. The listener tries again by itself, and
   * tells once until `resumed`.
   */
  failed(failure: ConnectionFailure): void;
  /** After `failed`: all that waited were accepted. */
  resumed?(): void;
}

export interface Listening {
  /** No connection is accepted after this; the descriptor is closed. */
  close(): void;
}

export interface ConnectHandler {
  connected(plain: Plain): void;
  failed(failure: ConnectionFailure): void;
}

/** Something under way that can be called off; `cancel` is idempotent and silences the callback. */
export interface Cancellable {
  cancel(): void;
}

export interface ConnectOptions {
  /** An unconnected, non-blocking TCP socket, which the engine takes over and closes, on failure too. */
  readonly descriptor: number;
  readonly to: SocketAddress;
  /** Milliseconds until it fails with ETIMEDOUT. */
  readonly timeoutMs: number;
}

/** Makes sockets and TLS connections of one thread. Descriptors come from outside: they belong to some namespace. */
export interface Engine {
  /** Takes over a descriptor that is bound and listening. */
  listen(descriptor: number, acceptor: Acceptor): Listening;
  connect(options: ConnectOptions, handler: ConnectHandler): Cancellable;
  credentials(source: CredentialsSource): Credentials;
  /**
   * Starts the handshake of the accepting side on a socket from which nothing was read. `plain` is used up. It may be of
   * another making (a tunnel's stream), at the price of a few copies.
   */
  secureServer(plain: Plain, options: TlsOptions, handler: SecureHandler): Secure;
  /** Starts the handshake of the dialling side. `plain` is used up; as for `secureServer`. */
  secureClient(plain: Plain, options: TlsOptions, handler: SecureHandler): Secure;
  /** Calls once after `ms` milliseconds. */
  after(ms: number, callback: () => void): Cancellable;
  /** Calls at the end of this turn, before what was written leaves. */
  atEndOfTurn(callback: () => void): void;
  /** Monotonic milliseconds; one reading a turn is enough. */
  now(): number;
}
