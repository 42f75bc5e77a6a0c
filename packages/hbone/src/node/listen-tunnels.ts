import { createServer, type Server, type Socket } from 'node:net';
import type {
  Cancellable,
  ConnectionFailure,
  Credentials,
  CredentialsSource,
  Secure,
  SocketAddress,
} from '../engine.ts';
import { HboneError } from '../errors.ts';
import { createNodeEngine } from '../node-engine/engine.ts';
import { socketFailure } from '../node-engine/socket-failure.ts';
import { acceptTunnel } from '../tunnel/accept-tunnel.ts';
import type { TunnelOptions } from '../tunnel/link.ts';
import { ServerConnection } from '../tunnel/server-connection.ts';
import {
  type GivenTunnelOptions,
  requireCodecOptions,
  requireLimit,
  requirePort,
  requireTimeoutMs,
  requireTunnelOptions,
} from './checked-options.ts';
import { type CloseOptions, Deadline, requireDeadlineMs } from './deadline.ts';
import { Answering, type IncomingTunnel, type Route, type Routing, refuseStream } from './incoming-tunnel.ts';
import { connectionError, handshakeError } from './tunnel-error.ts';
import { CONNECT_TIMEOUT_MS, HANDSHAKE_TIMEOUT_MS, HBONE_PORT } from './tunnel-opener.ts';
import { Verification, type VerifyPeer } from './verify-peer.ts';

/** Default of `maxHandshakes`: real ones take milliseconds, so that a thousand unfinished ones are an attack or an outage. */
export const MAX_HANDSHAKES = 1000;
/** Default of `maxConnections`: at about 70 KB each 700 MB; far more than one process serves well. */
export const MAX_CONNECTIONS = 10_000;

export interface ListenTunnelsOptions {
  readonly host?: string | undefined;
  /** 15008 by default; 0 lets the system choose. */
  readonly port?: number | undefined;
  readonly credentials: CredentialsSource;
  /** Decides about a CONNECT request, now or later; other methods get 405. What it throws is answered with 500. */
  route(request: IncomingTunnel): Route | Promise<Route>;
  /** Says why a client whose chain is valid is refused; every valid chain is accepted by default. */
  readonly verify?: VerifyPeer | undefined;
  /** Milliseconds for TLS. */
  readonly handshakeTimeoutMs?: number | undefined;
  /** Milliseconds for the connection to where `route` leads, with the look-up of its name. */
  readonly connectTimeoutMs?: number | undefined;
  /** Unfinished handshakes; when there is one more the oldest is cut. */
  readonly maxHandshakes?: number | undefined;
  /** Connections with a finished handshake; further ones are cut. */
  readonly maxConnections?: number | undefined;
  /** Limits and liveness of the connections. */
  readonly tunnel?: GivenTunnelOptions | undefined;
  /** Cuts everything when it aborts, as `abort`. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Hears what went wrong with a client: HBONE_HANDSHAKE_FAILED, HBONE_CONNECTION_LOST (it broke the protocol, or vanished),
   * HBONE_OVERLOADED, HBONE_DESTINATION_FAILED, HBONE_ROUTE_FAILED, or the code of a tunnel's own end that `accept` did not
   * catch. Nothing has to be done about it.
   */
  readonly onError?: ((error: HboneError, remote: SocketAddress) => void) | undefined;
}

/**
 * Listens for tunnels and relays each to where `route` says. Throws HBONE_OPTIONS_INVALID, HBONE_CREDENTIALS_INVALID,
 * HBONE_LISTEN_FAILED, or the signal's reason.
 */
export async function listenTunnels(options: ListenTunnelsOptions): Promise<TunnelListener> {
  options.signal?.throwIfAborted();
  const listener = new TunnelListener(options);
  await listener.listen();
  return listener;
}

/** A listener with its connections. */
export class TunnelListener implements AsyncDisposable {
  readonly #engine = createNodeEngine();
  readonly #options: ListenTunnelsOptions;
  readonly #routing: Routing;
  readonly #server: Server;
  readonly #connections = new Set<ServerConnection>();
  /** Oldest first. */
  readonly #handshakes = new Map<Cancellable, SocketAddress>();
  readonly #deadline = new Deadline(() => this.abort());
  /** Requests of one connection that may be in flight, answered or not: also those that the client gave up. */
  readonly #maxRequests: number;
  readonly #port: number;
  readonly #maxHandshakes: number;
  readonly #maxConnections: number;
  readonly #handshakeTimeoutMs: number;
  readonly #tunnel: TunnelOptions;
  #credentials: Credentials;
  #closing: Promise<void> | undefined;
  #idle: (() => void) | undefined;

  /** Use `listenTunnels`. */
  constructor(options: ListenTunnelsOptions) {
    this.#options = options;
    this.#port = requirePort('port', options.port ?? HBONE_PORT, 0);
    this.#tunnel = requireTunnelOptions('server', options.tunnel);
    this.#maxRequests = requireCodecOptions('server', this.#tunnel.codec).maxConcurrentStreams;
    this.#maxHandshakes = requireLimit('maxHandshakes', options.maxHandshakes ?? MAX_HANDSHAKES);
    this.#maxConnections = requireLimit('maxConnections', options.maxConnections ?? MAX_CONNECTIONS);
    this.#handshakeTimeoutMs = requireTimeoutMs(
      'handshakeTimeoutMs',
      options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS,
    );
    this.#credentials = this.#engine.credentials(options.credentials);
    this.#routing = {
      engine: this.#engine,
      connectTimeoutMs: requireTimeoutMs('connectTimeoutMs', options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS),
      route: (request) => options.route(request),
      failed: (error, remote) => this.#failed(error, remote),
    };
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) =>
      this.#accepted(socket),
    );
  }

  /** The port it listens on. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Connections with a finished handshake. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Unfinished handshakes. */
  get handshakeCount(): number {
    return this.#handshakes.size;
  }

  /** Open tunnels and unanswered requests. */
  get streamCount(): number {
    let streams = 0;
    for (const connection of this.#connections) streams += connection.streamCount;
    return streams;
  }

  /** For `listenTunnels`. */
  async listen(): Promise<void> {
    const { host, signal } = this.#options;
    const port = this.#port;
    await new Promise<void>((resolve, reject) => {
      this.#server.on('error', (cause) => {
        const text = `listen on ${host ?? '*'}:${port}: ${socketFailure(cause).message}`;
        reject(new HboneError('HBONE_LISTEN_FAILED', text, { cause }));
      });
      this.#server.listen({ port, ...(host !== undefined && { host }) }, resolve);
    });
    signal?.addEventListener('abort', this.#aborted);
    // It may have aborted meanwhile.
    if (signal?.aborted === true) this.abort();
  }

  /** The next handshakes use these credentials; open connections go on as they are. Throws HBONE_CREDENTIALS_INVALID. */
  rotate(credentials: CredentialsSource): void {
    this.#credentials = this.#engine.credentials(credentials);
  }

  /**
   * Drains: accepts nothing more, and resolves when the last stream of the last connection has ended. Unfinished handshakes
   * are cut. Idempotent; a later call may still set a deadline. Rejects with HBONE_OPTIONS_INVALID.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    const deadlineMs = requireDeadlineMs(options);
    this.#closing ??= this.#drain();
    this.#deadline.start(deadlineMs);
    return this.#closing;
  }

  /** Cuts everything now. Idempotent, never throws. */
  abort(): void {
    this.#stop();
    for (const connection of this.#connections) connection.abort();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #drain(): Promise<void> {
    this.#stop();
    for (const connection of this.#connections) connection.drain();
    if (this.#connections.size > 0)
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    this.#deadline.stop();
  }

  #stop(): void {
    this.#options.signal?.removeEventListener('abort', this.#aborted);
    if (this.#server.listening) this.#server.close();
    for (const handshake of this.#handshakes.keys()) handshake.cancel();
    this.#handshakes.clear();
  }

  readonly #aborted = (): void => this.abort();

  #accepted(socket: Socket): void {
    const plain = this.#engine.adopt(socket);
    const { remote } = plain;
    // Reset before it was accepted: the kernel no longer knows the peer. Or accepted just before the listener closed.
    if (remote.ip === '' || !this.#server.listening || this.#isFull(remote)) {
      plain.reset();
      return;
    }
    this.#cutOldestHandshakes();
    const verification = new Verification(this.#options.verify);
    const tls = {
      credentials: this.#credentials,
      verify: verification.verify,
      handshakeTimeoutMs: this.#handshakeTimeoutMs,
    };
    const handshake = acceptTunnel(this.#engine, plain, tls, {
      established: (secure) => {
        this.#handshakes.delete(handshake);
        if (this.#isFull(remote)) secure.abort();
        else this.#serve(secure);
      },
      failed: (failure) => {
        this.#handshakes.delete(handshake);
        this.#failed(handshakeError(failure, verification.refusal), remote);
      },
    });
    this.#handshakes.set(handshake, remote);
  }

  #cutOldestHandshakes(): void {
    const max = this.#maxHandshakes;
    for (const [oldest, remote] of this.#handshakes) {
      if (this.#handshakes.size < max) return;
      this.#handshakes.delete(oldest);
      oldest.cancel();
      this.#failed(new HboneError('HBONE_OVERLOADED', `${max} handshakes: the oldest was cut`), remote);
    }
  }

  #isFull(remote: SocketAddress): boolean {
    const max = this.#maxConnections;
    if (this.#connections.size < max) return false;
    this.#failed(new HboneError('HBONE_OVERLOADED', `${max} connections: one more was cut`), remote);
    return true;
  }

  #serve(secure: Secure): void {
    let requests = 0;
    const over = (): void => {
      requests -= 1;
    };
    const connection = new ServerConnection(
      this.#engine,
      secure,
      {
        request: (stream, request) => {
          if (requests >= this.#maxRequests) {
            refuseStream(stream);
            return;
          }
          requests += 1;
          new Answering(stream, request, secure, this.#routing, over).start();
        },
        closed: (failure) => this.#closed(connection, secure.remote, failure),
      },
      this.#tunnel,
    );
    this.#connections.add(connection);
  }

  #closed(connection: ServerConnection, remote: SocketAddress, failure: ConnectionFailure | undefined): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#idle?.();
    if (failure !== undefined && failure.code !== 'ABORTED')
      this.#failed(connectionError('connection', 'client', failure), remote);
  }

  #failed(error: HboneError, remote: SocketAddress): void {
    try {
      this.#options.onError?.(error, remote);
    } catch (thrown) {
      // The callback's own fault, told where nothing is half done.
      process.nextTick(() => {
        throw thrown;
      });
    }
  }
}
