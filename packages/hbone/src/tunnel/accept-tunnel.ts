import type {
  Cancellable,
  ConnectionFailure,
  ConnectOptions,
  Engine,
  Plain,
  Secure,
  SecureHandler,
  TlsOptions,
} from '../engine.ts';

/** What becomes of a handshake: one of the two, once. */
export interface HandshakeHandler {
  /** Hand `secure` to a `ServerConnection` or `ClientConnection` before this returns. */
  established(secure: Secure): void;
  /** `code` is `TLS` for what TLS refused, else an errno name. */
  failed(failure: ConnectionFailure): void;
}

/** Makes an accepted socket secure. `cancel` cuts it. */
export function acceptTunnel(engine: Engine, plain: Plain, tls: TlsOptions, handler: HandshakeHandler): Cancellable {
  const handshake = new Handshake(handler);
  handshake.secure = engine.secureServer(plain, tls, handshake);
  return handshake;
}

/** Connects and makes the connection secure. `cancel` gives up at either stage. */
export function connectTunnel(
  engine: Engine,
  connect: ConnectOptions,
  tls: TlsOptions,
  handler: HandshakeHandler,
): Cancellable {
  const handshake = new Handshake(handler);
  handshake.connecting = engine.connect(connect, {
    connected: (plain) => {
      handshake.connecting = undefined;
      handshake.secure = engine.secureClient(plain, tls, handshake);
    },
    failed: (failure) => handler.failed(failure),
  });
  return handshake;
}

class Handshake implements SecureHandler, Cancellable {
  secure: Secure | undefined;
  connecting: Cancellable | undefined;
  readonly #handler: HandshakeHandler;
  #settled = false;

  constructor(handler: HandshakeHandler) {
    this.#handler = handler;
  }

  established(): void {
    this.#settled = true;
    if (this.secure !== undefined) this.#handler.established(this.secure);
  }

  failed(failure: ConnectionFailure): void {
    this.#settled = true;
    this.#handler.failed(failure);
  }

  cancel(): void {
    if (this.#settled) return;
    this.#settled = true;
    this.connecting?.cancel();
    this.secure?.abort();
  }

  // None of these comes before `established`, and then the connection is the handler.
  bytes(): void {}
  delivered(): void {}
  writable(): void {}
  ended(): void {}
}
