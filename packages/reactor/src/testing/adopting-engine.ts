import type { Socket } from 'node:net';
import type {
  Acceptor,
  Cancellable,
  ConnectHandler,
  ConnectOptions,
  Credentials,
  CredentialsSource,
  Listening,
  NodeEngine,
  Plain,
  Secure,
  SecureHandler,
  TlsOptions,
} from '@ambientmesh/hbone';
import { createReactorEngine, type ReactorEngine, type ReactorHoldings } from '../engine.ts';
import { foreignLibrary } from '../native/foreign-library.ts';

/** Turns in which neither loop had anything to do, before the reactor waits for something. */
const IDLE_TURNS = 20;
/** More than an empty turn of both loops takes. */
const BUSY_MS = 0.1;
/** Node's sockets cannot wake the reactor: what happens on them waits as long at most. */
const IDLE_WAIT_MS = 1;
/** Duplicate with the smallest number that is free, closed on exec. fcntl(2) */
const F_DUPFD_CLOEXEC = 1030;

/**
 * The reactor in the place of the node engine, for tests that were written for the latter: it takes turns with Node's event
 * loop, and takes over sockets that Node made.
 */
export class AdoptingEngine implements NodeEngine {
  readonly #engine: ReactorEngine = createReactorEngine({ debug: true });
  readonly #fcntl = foreignLibrary().find('fcntl', 'int', ['int', 'int', 'int']);
  #idleTurns = 0;
  #closed = false;

  constructor() {
    setImmediate(() => this.#turn());
  }

  get holdings(): ReactorHoldings {
    return this.#engine.holdings;
  }

  /** The socket ends for Node, and goes on here. */
  adopt(socket: Socket): Plain {
    const handle: unknown = Reflect.get(socket, '_handle');
    const descriptor: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
    if (typeof descriptor !== 'number') throw new TypeError('a socket without a descriptor');
    const own = this.#fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    if (own < 0) throw new Error(`fcntl: errno ${foreignLibrary().koffi.errno()}`);
    const plain = this.#engine.adopt(own);
    socket.destroy();
    return plain;
  }

  listen(descriptor: number, acceptor: Acceptor): Listening {
    return this.#engine.listen(descriptor, acceptor);
  }

  connect(options: ConnectOptions, handler: ConnectHandler): Cancellable {
    return this.#engine.connect(options, handler);
  }

  credentials(source: CredentialsSource): Credentials {
    return this.#engine.credentials(source);
  }

  secureServer(plain: Plain, options: TlsOptions, handler: SecureHandler): Secure {
    return this.#engine.secureServer(plain, options, handler);
  }

  secureClient(plain: Plain, options: TlsOptions, handler: SecureHandler): Secure {
    return this.#engine.secureClient(plain, options, handler);
  }

  after(ms: number, callback: () => void): Cancellable {
    return this.#engine.after(ms, callback);
  }

  atEndOfTurn(callback: () => void): void {
    this.#engine.atEndOfTurn(callback);
  }

  now(): number {
    return this.#engine.now();
  }

  close(): void {
    this.#closed = true;
    this.#engine.close();
  }

  #turn(): void {
    if (this.#closed) return;
    const begun = performance.now();
    const wait = this.#idleTurns < IDLE_TURNS ? 0 : IDLE_WAIT_MS;
    try {
      this.#engine.turn(wait);
    } finally {
      setImmediate(() => {
        const idle = performance.now() - begun < wait + BUSY_MS;
        this.#idleTurns = idle ? this.#idleTurns + 1 : 0;
        this.#turn();
      });
    }
  }
}
