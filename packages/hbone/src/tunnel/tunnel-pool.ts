import type { Fields } from '../core/contract.ts';
import { resolveCodecOptions } from '../core/limits.ts';
import type { Cancellable, ConnectionFailure, Engine, Secure } from '../engine.ts';
import type { HandshakeHandler } from './accept-tunnel.ts';
import { ClientConnection } from './client-connection.ts';
import type { TunnelOptions } from './link.ts';
import { requireRequestFields } from './request-fields.ts';
import { CONNECTION_ABORTED } from './stream-failure.ts';
import { tellEach } from './tell-each.ts';
import type { ClientStream, ClientStreamHandler } from './tunnel-stream.ts';

/** hbone.md §6.3, `POOL_MAX_STREAMS_PER_CONNECTION`. */
export const POOL_MAX_STREAMS_PER_CONNECTION = 100;
/** hbone.md §6.4, `POOL_UNUSED_RELEASE_TIMEOUT`. */
export const POOL_UNUSED_RELEASE_MS = 300_000;
/** hbone.md §6.6 */
export const POOL_CAPACITY = 500;
/** Two seconds of 5,000 requests each, all to one destination that does not answer. The reference has no limit. */
export const POOL_MAX_WAITING = 10_000;

export interface TunnelPoolOptions {
  /** Streams at which a connection leaves the pool for good; the peer's limit caps it. */
  readonly maxStreamsPerConnection?: number;
  /** Milliseconds after its last use until the pool forgets a connection. */
  readonly unusedReleaseMs?: number;
  /** Pooled connections; the least recently used is forgotten first. */
  readonly capacity?: number;
  /** Requests of one key that wait for its dial; a further one fails with `EAGAIN`. */
  readonly maxWaiting?: number;
  readonly tunnel?: TunnelOptions;
}

/** How to make a connection of a key; called anew for every dial. `connectTunnel` fits. */
export type Dial = (handler: HandshakeHandler) => Cancellable;

export interface PoolRequest {
  /** Everything that must be equal to share a connection: identity, expected identities, destination, source pod. */
  readonly key: string;
  readonly dial: Dial;
  readonly fields: Fields;
  /** Milliseconds from sending the request until its response; without it there is no limit. */
  readonly timeoutMs?: number;
  /** The connection that this request had dialled for is lost other than in an orderly way; its streams are told next. */
  readonly connectionLost?: (failure: ConnectionFailure) => void;
}

/** What the caller of `open` is told. */
export interface PoolStreamHandler extends ClientStreamHandler {
  // `failed` may come without `opened`: the connection ended before it was known how many streams it takes.
  /** The request left on a connection; says which, for its peer's certificates. */
  opened?(stream: ClientStream, connection: ClientConnection): void;
  /**
   * The dial that this request waited for failed or threw (the code of what was thrown, else `DIAL`), the pool was closed
   * (`ABORTED`) or full (`EAGAIN`); no stream exists.
   */
  dialFailed(failure: ConnectionFailure): void;
}

interface Waiter {
  readonly request: PoolRequest;
  readonly handler: PoolStreamHandler;
  cancelled: boolean;
}

interface Pooled {
  readonly connection: ClientConnection;
  readonly key: Key;
  timer: Cancellable | undefined;
}

interface Key {
  readonly name: string;
  /** Last used last. */
  readonly pooled: Pooled[];
  /** Longest first. */
  readonly waiting: Set<Waiter>;
  dialling: { readonly waiter: Waiter; dial: Cancellable | undefined } | undefined;
  /** One request is on it, and only its SETTINGS say whether it takes more: the others wait for them. */
  awaited: ClientConnection | undefined;
  /** Served at the end of the turn. */
  serveDue: boolean;
}

const QUEUE_FULL: ConnectionFailure = { code: 'EAGAIN', message: 'too many requests wait for this connection' };
/** A connection that was gone as soon as it was there. */
const LOST: ConnectionFailure = { code: 'ECONNRESET', message: 'Connection reset by peer (os error 104)' };

/** Connections shared by requests of the same key. hbone.md §6 */
export class TunnelPool {
  readonly #engine: Engine;
  readonly #options: Required<Omit<TunnelPoolOptions, 'tunnel'>> & { readonly tunnel: TunnelOptions };
  readonly #keys = new Map<string, Key>();
  /** Every pooled connection, least recently used first. */
  readonly #recent = new Set<Pooled>();
  /** Every connection that is up, with its place in the pool. */
  readonly #connections = new Map<ClientConnection, Pooled | undefined>();
  #closed = false;
  readonly #drained: (() => void)[] = [];

  /** Throws RangeError for options of the codec that cannot be. */
  constructor(engine: Engine, options: TunnelPoolOptions = {}) {
    // Now: when a connection is there it is too late.
    resolveCodecOptions('client', options.tunnel?.codec ?? {});
    this.#engine = engine;
    this.#options = {
      maxStreamsPerConnection: options.maxStreamsPerConnection ?? POOL_MAX_STREAMS_PER_CONNECTION,
      unusedReleaseMs: options.unusedReleaseMs ?? POOL_UNUSED_RELEASE_MS,
      capacity: options.capacity ?? POOL_CAPACITY,
      maxWaiting: options.maxWaiting ?? POOL_MAX_WAITING,
      tunnel: options.tunnel ?? {},
    };
  }

  /** Every connection that is up, pooled or not. */
  get connections(): Iterable<ClientConnection> {
    return this.#connections.keys();
  }

  /** Connections that are up, pooled or not. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Connections that a further request of their key may share. */
  get pooledCount(): number {
    return this.#recent.size;
  }

  /** Requests that wait for a connection or for the end of the turn. */
  get waitingCount(): number {
    let count = 0;
    for (const key of this.#keys.values()) count += key.waiting.size + (key.dialling === undefined ? 0 : 1);
    return count;
  }

  /**
   * Opens a stream on a pooled connection, or dials; requests of one key wait while one dials, and fail with it. On a new
   * connection one goes ahead, and the others wait until its SETTINGS say how many streams it takes. `cancel` works until the request left, then the stream is the caller's. Throws RangeError for malformed fields.
   */
  open(request: PoolRequest, handler: PoolStreamHandler): Cancellable {
    // Now: at the end of the turn there is nobody to throw at.
    requireRequestFields(request.fields);
    const waiter: Waiter = { request, handler, cancelled: false };
    const key = this.#keyOf(request.key);
    if (key.waiting.size >= this.#options.maxWaiting) {
      this.#engine.atEndOfTurn(() => {
        if (!waiter.cancelled) handler.dialFailed(QUEUE_FULL);
      });
    } else {
      key.waiting.add(waiter);
      this.#serveLater(key);
    }
    return { cancel: () => this.#cancel(key, waiter) };
  }

  /** No pooled connection takes a further stream: each closes when its last has ended. */
  retire(): void {
    for (const pooled of this.#recent) this.#release(pooled);
  }

  /** Drops every connection at once, also those in use; requests that wait fail with `ABORTED`. Also after `drain`. */
  close(): void {
    const cut = (): void => tellEach(this.#connections.keys(), (connection) => connection.abort());
    tellEach([() => this.#stop(), cut], (step) => step());
  }

  /**
   * Closes every connection once its streams have ended and what is queued has left; requests that wait fail with
   * `ABORTED`. `done` comes when no connection is left.
   */
  drain(done: () => void): void {
    this.#stop();
    this.#drained.push(done);
    for (const connection of this.#connections.keys()) connection.close();
    this.#engine.atEndOfTurn(() => this.#tellDrained());
  }

  #tellDrained(): void {
    if (this.#connections.size > 0) return;
    for (const drained of this.#drained.splice(0)) drained();
  }

  #stop(): void {
    if (this.#closed) return;
    this.#closed = true;
    const keys = [...this.#keys.values()];
    for (const pooled of this.#recent) this.#forget(pooled);
    this.#keys.clear();
    tellEach(keys, (key) => {
      key.dialling?.dial?.cancel();
      this.#failAll(key, CONNECTION_ABORTED);
    });
  }

  /** Fails who dials and who waits for it, but nobody who comes while they are told. */
  #failAll(key: Key, failure: ConnectionFailure): void {
    const waiters = key.dialling === undefined ? [...key.waiting] : [key.dialling.waiter, ...key.waiting];
    key.dialling = undefined;
    key.waiting.clear();
    tellEach(waiters, (waiter) => {
      if (!waiter.cancelled) waiter.handler.dialFailed(failure);
    });
  }

  /** The connection is no longer awaited: who waited for it is served, or fails with it. */
  #awaitNoMore(key: Key, connection: ClientConnection, failure?: ConnectionFailure): void {
    if (key.awaited !== connection) return;
    key.awaited = undefined;
    if (failure === undefined) {
      if (key.waiting.size > 0) this.#serveLater(key);
      return;
    }
    const waiters = [...key.waiting];
    key.waiting.clear();
    tellEach(waiters, (waiter) => {
      if (!waiter.cancelled) waiter.handler.failed({ kind: 'connection', failure });
    });
  }

  /** Not at once: `opened` must not come before the caller has its handle. */
  #serveLater(key: Key): void {
    if (key.serveDue) return;
    key.serveDue = true;
    this.#engine.atEndOfTurn(() => {
      key.serveDue = false;
      this.#serve(key);
    });
  }

  #keyOf(name: string): Key {
    let key = this.#keys.get(name);
    if (key === undefined) {
      key = { name, pooled: [], waiting: new Set(), dialling: undefined, awaited: undefined, serveDue: false };
      this.#keys.set(name, key);
    }
    return key;
  }

  #cancel(key: Key, waiter: Waiter): void {
    if (waiter.cancelled) return;
    waiter.cancelled = true;
    key.waiting.delete(waiter);
    // A dial whose request is gone still serves those that wait behind it.
    if (key.dialling?.waiter.cancelled === true && key.waiting.size === 0) {
      key.dialling.dial?.cancel();
      key.dialling = undefined;
    }
    this.#discardIfEmpty(key);
  }

  /** Serves waiting requests in order, until one has to dial. */
  #serve(key: Key): void {
    for (const waiter of key.waiting) {
      // Its owner may have closed it, and then it takes nobody.
      if (key.dialling !== undefined || key.awaited?.usable === true) return;
      key.awaited = undefined;
      key.waiting.delete(waiter);
      if (this.#closed) waiter.handler.dialFailed(CONNECTION_ABORTED);
      else if (!this.#share(key, waiter)) this.#dial(key, waiter);
    }
    this.#discardIfEmpty(key);
  }

  /** Opens the stream on a pooled connection; those that are found dead or full are forgotten. */
  #share(key: Key, waiter: Waiter): boolean {
    for (let pooled = key.pooled.at(-1); pooled !== undefined; pooled = key.pooled.at(-1)) {
      this.#forget(pooled);
      if (this.#openOn(pooled.connection, key, waiter)) return true;
      pooled.connection.close();
    }
    return false;
  }

  #dial(key: Key, waiter: Waiter): void {
    const dialling: NonNullable<Key['dialling']> = { waiter, dial: undefined };
    key.dialling = dialling;
    try {
      dialling.dial = this.#start(key, dialling);
    } catch (error) {
      // What it told before it threw holds.
      if (key.dialling !== dialling) throw error;
      this.#failAll(key, thrownFailure(error));
      this.#discardIfEmpty(key);
    }
  }

  #start(key: Key, dialling: NonNullable<Key['dialling']>): Cancellable {
    const { waiter } = dialling;
    return waiter.request.dial({
      established: (secure) => {
        if (key.dialling !== dialling) {
          secure.abort();
          return;
        }
        key.dialling = undefined;
        this.#established(key, waiter, secure);
        this.#serve(key);
      },
      failed: (failure) => {
        if (key.dialling !== dialling) return;
        this.#failAll(key, failure);
        this.#discardIfEmpty(key);
      },
    });
  }

  #established(key: Key, waiter: Waiter, secure: Secure): void {
    const { connectionLost } = waiter.request;
    const connection = new ClientConnection(
      this.#engine,
      secure,
      {
        ended: (failure) => {
          const tell = (): void => (failure === undefined ? undefined : connectionLost?.(failure));
          tellEach([tell, () => this.#connectionEnded(connection, key, failure)], (step) => step());
        },
        closed: () => this.#connectionClosed(connection),
        greeted: () => this.#awaitNoMore(key, connection),
      },
      this.#options.tunnel,
    );
    this.#connections.set(connection, undefined);
    if (waiter.cancelled) this.#checkIn(connection, key);
    else if (!this.#openOn(connection, key, waiter)) {
      connection.close();
      waiter.handler.dialFailed(LOST);
    }
  }

  #openOn(connection: ClientConnection, key: Key, waiter: Waiter): boolean {
    const limit = Math.min(this.#options.maxStreamsPerConnection, connection.peerMaxStreams);
    const { fields, timeoutMs } = waiter.request;
    const stream = connection.open(fields, waiter.handler, timeoutMs === undefined ? undefined : { timeoutMs });
    if (stream === undefined) return false;
    // The count includes this stream. hbone.md §6.3: who reached the limit never comes back.
    if (connection.streamCount < limit) {
      if (!connection.greeted) key.awaited = connection;
      this.#checkIn(connection, key);
    } else connection.close();
    waiter.handler.opened?.(stream, connection);
    return true;
  }

  #checkIn(connection: ClientConnection, key: Key): void {
    const pooled: Pooled = { connection, key, timer: undefined };
    pooled.timer = this.#engine.after(this.#options.unusedReleaseMs, () => this.#release(pooled));
    key.pooled.push(pooled);
    this.#recent.add(pooled);
    this.#connections.set(connection, pooled);
    if (this.#recent.size <= this.#options.capacity) return;
    for (const oldest of this.#recent) {
      this.#release(oldest);
      return;
    }
  }

  /** Long before it is closed, perhaps: a peer that does not read has time for what is queued. */
  #connectionEnded(connection: ClientConnection, key: Key, failure: ConnectionFailure | undefined): void {
    const pooled = key.pooled.find((one) => one.connection === connection);
    if (pooled !== undefined) this.#forget(pooled);
    // An end, announced or not, is none of those that wait: the next connection may be theirs.
    const tell = (): void => this.#awaitNoMore(key, connection, failure?.code === 'EOF' ? undefined : failure);
    tellEach([tell, () => this.#discardIfEmpty(key)], (step) => step());
  }

  #connectionClosed(connection: ClientConnection): void {
    this.#connections.delete(connection);
    this.#tellDrained();
  }

  /** Forgets a connection, which closes when no stream is left. */
  #release(pooled: Pooled): void {
    this.#forget(pooled);
    pooled.connection.close();
    this.#awaitNoMore(pooled.key, pooled.connection);
    this.#discardIfEmpty(pooled.key);
  }

  #forget(pooled: Pooled): void {
    pooled.timer?.cancel();
    this.#recent.delete(pooled);
    if (this.#connections.get(pooled.connection) === pooled) this.#connections.set(pooled.connection, undefined);
    const { pooled: siblings } = pooled.key;
    const index = siblings.indexOf(pooled);
    if (index >= 0) siblings.splice(index, 1);
  }

  #discardIfEmpty(key: Key): void {
    if (key.pooled.length > 0 || key.waiting.size > 0 || key.dialling !== undefined || key.serveDue) return;
    // A handle may outlive its key, whose name another may have by now.
    if (this.#keys.get(key.name) === key) this.#keys.delete(key.name);
  }
}

function thrownFailure(error: unknown): ConnectionFailure {
  if (!(error instanceof Error)) return { code: 'DIAL', message: String(error) };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : 'DIAL';
  return { code, message: error.message };
}
