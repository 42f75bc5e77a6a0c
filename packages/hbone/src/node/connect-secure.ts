import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Cancellable, ConnectionFailure, Plain, Secure, TlsOptions } from '../engine.ts';
import type { NodeEngine } from '../node-engine/engine.ts';
import { socketFailure } from '../node-engine/socket-failure.ts';
import type { HandshakeHandler } from '../tunnel/accept-tunnel.ts';
import { DuplexPlain } from './duplex-plain.ts';
import type { DialFailure } from './tunnel-error.ts';
import { Verification, type VerifyPeer } from './verify-peer.ts';

/** Where the other end of a connection is: an address, or the end of a stream that somebody else made. */
export type ConnectTarget = { readonly host: string; readonly port: number } | { readonly through: Duplex };

export interface SecureConnectOptions {
  readonly target: ConnectTarget;
  readonly connectTimeoutMs: number;
  readonly tls: Omit<TlsOptions, 'verify'>;
  readonly verify: VerifyPeer | undefined;
}

/**
 * Connects and makes the connection secure, as `connectTunnel`, for host names and Node's own sockets. It fails with a
 * `DialFailure`, whose code is `TLS` from the handshake on.
 */
export function connectSecure(
  engine: NodeEngine,
  options: SecureConnectOptions,
  handler: HandshakeHandler,
): Cancellable {
  const connecting = new Connecting(engine, options, handler);
  const { target } = options;
  try {
    if ('through' in target) connecting.handshake(new DuplexPlain(target.through));
    else connecting.connect(target.host, target.port);
  } catch (error) {
    // A port that is none, say.
    engine.atEndOfTurn(() => connecting.fail(socketFailure(error)));
  }
  return connecting;
}

/** Handshakes that took too long, as opposed to those that one side did not want. */
const LATE = /^handshake not finished/;

class Connecting implements Cancellable {
  readonly #engine: NodeEngine;
  readonly #options: SecureConnectOptions;
  readonly #handler: HandshakeHandler;
  #socket: Socket | undefined;
  #secure: Secure | undefined;
  #timer: NodeJS.Timeout | undefined;
  #settled = false;

  constructor(engine: NodeEngine, options: SecureConnectOptions, handler: HandshakeHandler) {
    this.#engine = engine;
    this.#options = options;
    this.#handler = handler;
  }

  connect(host: string, port: number): void {
    const socket = new Socket({ allowHalfOpen: true });
    this.#socket = socket;
    const failed = ({ code, message }: ConnectionFailure): void => {
      this.fail({ code, message: `connect ${host}:${port}: ${message}` });
    };
    const refused = (error: Error): void => failed(socketFailure(error));
    socket.on('error', refused);
    const { connectTimeoutMs } = this.#options;
    const late = { code: 'ETIMEDOUT', message: `no connection within ${connectTimeoutMs} ms` };
    this.#timer = setTimeout(() => failed(late), connectTimeoutMs);
    // Nothing may be read before TLS takes over.
    socket.pause();
    socket.connect({ host, port }, () => {
      clearTimeout(this.#timer);
      if (this.#settled) return;
      socket.setNoDelay(true);
      this.#socket = undefined;
      this.handshake(this.#engine.adopt(socket));
      socket.off('error', refused);
    });
  }

  handshake(plain: Plain): void {
    const verification = new Verification(this.#options.verify);
    const tls = { ...this.#options.tls, verify: verification.verify };
    this.#secure = this.#engine.secureClient(plain, tls, {
      established: () => {
        this.#settled = true;
        if (this.#secure !== undefined) this.#handler.established(this.#secure);
      },
      // None of these comes before `established`, and then somebody else is the handler.
      bytes: () => {},
      delivered: () => {},
      writable: () => {},
      ended: () => {},
      failed: (failure) => {
        const retryable = failure.code !== 'TLS' || LATE.test(failure.message);
        const { refusal } = verification;
        this.fail({ ...failure, code: 'TLS', retryable, ...(refusal !== undefined && { refusal }) });
      },
    });
  }

  cancel(): void {
    this.#settled = true;
    clearTimeout(this.#timer);
    this.#socket?.destroy();
    this.#secure?.abort();
  }

  /** Ends it, unless it has. */
  fail(failure: DialFailure): void {
    if (this.#settled) return;
    this.cancel();
    this.#handler.failed(failure);
  }
}
