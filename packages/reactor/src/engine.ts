import type {
  Acceptor,
  Cancellable,
  ConnectHandler,
  ConnectOptions,
  Credentials,
  CredentialsSource,
  Engine,
  Listening,
  Plain,
  Secure,
  SecureHandler,
  SocketAddress,
  TlsOptions,
} from '@ambientmesh/hbone';
import { CLOSE_LIMITS, type CloseLimits, type TlsRole } from '@ambientmesh/hbone/engine';
import { closedError, ReactorError } from './errors.ts';
import { Reactor, type ReactorOptions } from './loop/reactor.ts';
import type { TurnTimes } from './loop/turn-histogram.ts';
import { adoptSocket } from './sockets/adopt-socket.ts';
import { dial } from './sockets/dialer.ts';
import { ReactorListener } from './sockets/listener.ts';
import { type ListenerOptions, type OpenListener, SocketOpener } from './sockets/socket-opener.ts';
import { socketShare } from './sockets/socket-share.ts';
import { ReactorSecure } from './tls/reactor-secure.ts';
import { ReactorCredentials } from './tls/tls-context.ts';
import { TlsThread, type TlsThreadOptions } from './tls/tls-thread.ts';

/** Limits of an engine; each is for one thread. */
export interface ReactorEngineOptions extends ReactorOptions, TlsThreadOptions, Partial<CloseLimits> {
  /**
   * Accepting pauses, and its listeners are told of EMFILE, while the lowest free descriptor has this number or a higher one:
   * the rest of the process's limit is for connections that run, and for others in the process. 1 or more; default: the
   * kernel's limit.
   */
  readonly descriptorLimit?: number;
}

/** What an engine holds: back to zero once everything was closed. */
export interface ReactorHoldings {
  /** Descriptors that are watched, the engine's own wake-up excepted. */
  readonly descriptors: number;
  /** Slabs of 16 KiB with bytes that wait. */
  readonly slabs: number;
  /** TLS connections of OpenSSL. */
  readonly tlsHandles: number;
}

/**
 * The engine on epoll and OpenSSL. It does something only in `turn`, and never waits for Node's event loop. After `close`
 * its methods throw `REACTOR_CLOSED`, but for `close`, `now` and `drainTurnTimes`.
 */
export interface ReactorEngine extends Engine, Disposable {
  /**
   * Waits for something to do, does it, and what is due at the end of the turn. At most `timeoutMs`, default 100 ms; less
   * when a timer is due. What a callback throws comes out of it; the engine stays usable.
   * @throws {ReactorError} `REACTOR_IN_TURN` when a callback calls it, and then nothing was done; `REACTOR_CLOSED`,
   * `REACTOR_SYSTEM_CALL`
   */
  turn(timeoutMs?: number): void;
  /**
   * A listening descriptor of this process's network, for `listen`; of another namespace, `@ambientmesh/netns` makes them.
   * @throws {ReactorError} `REACTOR_INVALID_ARGUMENT`, `REACTOR_SYSTEM_CALL` (`errno`: EADDRINUSE, EACCES, …)
   */
  openListener(options: ListenerOptions): OpenListener;
  /** The descriptor of an unconnected socket that can connect to `to`, for `connect`. Throws as `openListener`. */
  openSocket(to: SocketAddress): number;
  /** Takes over a connected, non-blocking TCP socket that comes from elsewhere. */
  adopt(descriptor: number): Plain;
  /**
   * Write a 64-bit 1 to this eventfd(2) to wake a thread that waits in `turn`; from any thread of the process, but never once
   * the engine may be closed: the number may be another's then. -1 after `close`.
   */
  readonly wakeDescriptor: number;
  readonly holdings: ReactorHoldings;
  /** How long turns took since the last call, waiting excluded. */
  drainTurnTimes(): TurnTimes;
  /**
   * Frees all; connections and listeners are to be closed before: what is forgotten keeps its socket until its own `close`.
   * Idempotent.
   * @throws {ReactorError} `REACTOR_IN_TURN` when a callback calls it, and then nothing was closed
   */
  close(): void;
}

/**
 * Makes an engine for this thread.
 * @throws {ReactorError} `REACTOR_UNSUPPORTED` (another system than 64-bit Linux, no koffi, a node binary without OpenSSL's
 * functions), `REACTOR_INVALID_ARGUMENT`, `REACTOR_MEMORY_EXHAUSTED`, `REACTOR_SYSTEM_CALL` (descriptors exhausted)
 */
export function createReactorEngine(options: ReactorEngineOptions = {}): ReactorEngine {
  return new ReactorEngineImplementation(options);
}

class ReactorEngineImplementation implements ReactorEngine {
  readonly #reactor: Reactor;
  readonly #tls: TlsThread;
  readonly #opener: SocketOpener;
  #closed = false;

  constructor(options: ReactorEngineOptions) {
    const limits: CloseLimits = {
      closeLingerMs: options.closeLingerMs ?? CLOSE_LIMITS.closeLingerMs,
      closeStalledMs: options.closeStalledMs ?? CLOSE_LIMITS.closeStalledMs,
    };
    const { descriptorLimit = Number.POSITIVE_INFINITY } = options;
    if (!(descriptorLimit >= 1))
      throw new ReactorError('REACTOR_INVALID_ARGUMENT', `descriptorLimit is ${descriptorLimit}: want 1 or more`);
    this.#reactor = new Reactor(options);
    try {
      const share = socketShare(this.#reactor);
      share.closeStalledMs = limits.closeStalledMs;
      share.descriptorLimit = descriptorLimit;
      this.#opener = new SocketOpener(this.#reactor);
      this.#tls = new TlsThread(this.#reactor, limits, options);
    } catch (error) {
      this.#reactor.close();
      throw error;
    }
  }

  get wakeDescriptor(): number {
    return this.#closed ? -1 : this.#reactor.wakeDescriptor;
  }

  get holdings(): ReactorHoldings {
    if (this.#closed) return { descriptors: 0, slabs: 0, tlsHandles: 0 };
    const { epoll, slabs } = this.#reactor;
    return { descriptors: epoll.watched - 1, slabs: slabs.taken, tlsHandles: this.#tls.handles };
  }

  turn(timeoutMs?: number): void {
    this.#reactor.turn(timeoutMs);
  }

  openListener(options: ListenerOptions): OpenListener {
    return this.#open(this.#opener).openListener(options);
  }

  openSocket(to: SocketAddress): number {
    return this.#open(this.#opener).openSocket(to);
  }

  listen(descriptor: number, acceptor: Acceptor): Listening {
    return new ReactorListener(this.#open(this.#reactor), descriptor, acceptor);
  }

  connect(options: ConnectOptions, handler: ConnectHandler): Cancellable {
    return dial(this.#open(this.#reactor), options, handler);
  }

  adopt(descriptor: number): Plain {
    return adoptSocket(this.#open(this.#reactor), descriptor);
  }

  credentials(source: CredentialsSource): Credentials {
    return new ReactorCredentials(this, this.#open(this.#tls), source);
  }

  secureServer(plain: Plain, options: TlsOptions, handler: SecureHandler): Secure {
    return this.#secure('server', plain, options, handler);
  }

  secureClient(plain: Plain, options: TlsOptions, handler: SecureHandler): Secure {
    return this.#secure('client', plain, options, handler);
  }

  after(ms: number, callback: () => void): Cancellable {
    return this.#open(this.#reactor).after(ms, callback);
  }

  atEndOfTurn(callback: () => void): void {
    this.#open(this.#reactor).atEndOfTurn(callback);
  }

  now(): number {
    return this.#reactor.now();
  }

  drainTurnTimes(): TurnTimes {
    return this.#reactor.turns.drain();
  }

  close(): void {
    this.#reactor.requireBetweenTurns('close');
    this.#closed = true;
    this.#tls.close();
    this.#reactor.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #secure(role: TlsRole, plain: Plain, options: TlsOptions, handler: SecureHandler): Secure {
    if (options.credentials.engine !== this) throw new TypeError('credentials of another engine');
    return new ReactorSecure(role, this.#open(this.#tls), plain, options, handler);
  }

  /** Answers `part`. @throws {ReactorError} `REACTOR_CLOSED` */
  #open<Part>(part: Part): Part {
    if (this.#closed) throw closedError();
    return part;
  }
}
