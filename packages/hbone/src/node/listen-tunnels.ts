import { createServer, type Server, Socket } from 'node:net';
import type { Cancellable, CredentialsSource, TlsOptions } from '../engine.ts';
import { HboneError } from '../errors.ts';
import { createNodeEngine, type NodeEngine } from '../node-engine/engine.ts';
import { socketFailure } from '../node-engine/system-failure.ts';
import { TunnelRelay } from '../relay/tunnel-relay.ts';
import { acceptTunnel } from '../tunnel/accept-tunnel.ts';
import { ServerConnection, type TunnelRequest } from '../tunnel/server-connection.ts';
import type { ServerStream } from '../tunnel/tunnel-stream.ts';
import { HANDSHAKE_TIMEOUT_MS, HBONE_PORT } from './dial-tunnel.ts';

const BAD_GATEWAY_STATUS = 503;
const OK = 200;

/** Where a request goes, or the status that refuses it. */
export type Route = { readonly host: string; readonly port: number } | { readonly status: number };

export interface ListenTunnelsOptions {
  readonly host?: string;
  /** 15008 by default; 0 lets the system choose. */
  readonly port?: number;
  readonly credentials: CredentialsSource;
  /** Decides on every request, also on those with another method than CONNECT. `peerChain`: DER, leaf first. */
  route(request: TunnelRequest, peerChain: readonly Uint8Array[]): Route;
  /** Says why a client whose chain is valid is refused; every valid chain is accepted by default. */
  readonly verify?: TlsOptions['verify'];
  readonly handshakeTimeoutMs?: number;
}

/** Listens for tunnels and relays each to a TCP server. Throws HBONE_CREDENTIALS_INVALID, HBONE_LISTEN_FAILED. */
export async function listenTunnels(options: ListenTunnelsOptions): Promise<TunnelListener> {
  const listener = new TunnelListener(options);
  await listener.listen();
  return listener;
}

/** A listener with its connections. */
export class TunnelListener implements AsyncDisposable {
  readonly #engine: NodeEngine = createNodeEngine();
  readonly #options: ListenTunnelsOptions;
  readonly #tls: TlsOptions;
  readonly #server: Server;
  readonly #connections = new Set<ServerConnection>();
  readonly #handshakes = new Set<Cancellable>();
  #closing: Promise<void> | undefined;
  #idle: (() => void) | undefined;

  /** Use `listenTunnels`. */
  constructor(options: ListenTunnelsOptions) {
    this.#options = options;
    this.#tls = {
      credentials: this.#engine.credentials(options.credentials),
      verify: (chain) => options.verify?.(chain),
      handshakeTimeoutMs: options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS,
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

  /** For `listenTunnels`. */
  async listen(): Promise<void> {
    const { host, port = HBONE_PORT } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.on('error', (cause) => {
        const text = `listen on ${host ?? '*'}:${port}: ${socketFailure(cause).message}`;
        reject(new HboneError('HBONE_LISTEN_FAILED', text, { cause }));
      });
      this.#server.listen({ port, ...(host !== undefined && { host }) }, resolve);
    });
  }

  /** Drains: accepts nothing more, and resolves when the last stream of the last connection has ended. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#drain();
    return this.#closing;
  }

  /** Cuts everything now. Idempotent, never throws. */
  abort(): void {
    this.#server.close();
    for (const connection of this.#connections) connection.abort();
    for (const handshake of this.#handshakes) handshake.cancel();
    this.#handshakes.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #drain(): Promise<void> {
    this.#server.close();
    for (const handshake of this.#handshakes) handshake.cancel();
    this.#handshakes.clear();
    for (const connection of this.#connections) connection.drain();
    if (this.#connections.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
  }

  #accepted(socket: Socket): void {
    const plain = this.#engine.adopt(socket);
    const handshake = acceptTunnel(this.#engine, plain, this.#tls, {
      established: (secure) => {
        this.#handshakes.delete(handshake);
        const connection = new ServerConnection(this.#engine, secure, {
          request: (stream, request) => this.#request(stream, this.#options.route(request, secure.peerChain)),
          closed: () => {
            this.#connections.delete(connection);
            if (this.#connections.size === 0) this.#idle?.();
          },
        });
        this.#connections.add(connection);
      },
      failed: () => this.#handshakes.delete(handshake),
    });
    this.#handshakes.add(handshake);
  }

  #request(stream: ServerStream, route: Route): void {
    if ('status' in route) {
      stream.respond(route.status, [], { last: true });
      return;
    }
    const socket = new Socket({ allowHalfOpen: true });
    stream.handler = { data: () => {}, ended: () => {}, writable: () => {}, failed: () => socket.destroy() };
    const refuse = (): void => stream.respond(BAD_GATEWAY_STATUS, [], { last: true });
    socket.once('error', refuse);
    // Nothing may be read before the answer.
    socket.pause();
    socket.connect(route, () => {
      socket.off('error', refuse);
      socket.setNoDelay(true);
      stream.respond(OK, [], { last: false });
      const plain = this.#engine.adopt(socket);
      const relay = new TunnelRelay({ stream, plain, first: 'stream', observer: UNOBSERVED });
      if (stream.gone) relay.abort();
    });
  }
}

const UNOBSERVED = { fromFirst: () => {}, fromSecond: () => {}, finished: () => {} };
