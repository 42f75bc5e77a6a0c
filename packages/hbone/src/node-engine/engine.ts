import { createServer, type Server, Socket } from 'node:net';
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
  TlsOptions,
} from '../engine.ts';
import { CLOSE_LIMITS, type CloseLimits } from '../engine-rules/close-limits.ts';
import { DEADLINE_TEXT } from '../engine-rules/system-failure.ts';
import type { TlsRole } from '../engine-rules/tls-failure.ts';
import { NodeCredentials } from './credentials.ts';
import { NodePlain } from './plain.ts';
import { PlainDuplex } from './plain-duplex.ts';
import { type Carrier, NodeSecure } from './secure.ts';
import { errorCode, socketFailure } from './socket-failure.ts';
import { Turn } from './turn.ts';

/** Node reads up to 64 KiB at once; with less buffered than that a paused socket stops after one chunk. */
const READ_AHEAD_BYTES = 16_384;
/** Node listens again on a descriptor it is given; the queue keeps the length that its maker chose (spec zds.md §9.3). */
const LISTEN_BACKLOG = 128;

/** An engine that also takes sockets which Node made. */
export interface NodeEngine extends Engine {
  /** Takes over a connected socket made with `allowHalfOpen: true` from which nothing was read. */
  adopt(socket: Socket): Plain;
}

/** Makes the engine on `node:net` and `node:tls`, for any thread with an event loop. It holds nothing that must be closed. */
export function createNodeEngine(limits: Partial<CloseLimits> = {}): NodeEngine {
  return new NodeEngineImplementation({ ...CLOSE_LIMITS, ...limits });
}

class NodeEngineImplementation implements NodeEngine {
  readonly #turn: Turn;

  constructor(limits: CloseLimits) {
    this.#turn = new Turn(limits);
  }

  adopt(socket: Socket): Plain {
    return this.#adopt(socket);
  }

  listen(descriptor: number, acceptor: Acceptor): Listening {
    const server = createServer({
      allowHalfOpen: true,
      pauseOnConnect: true,
      noDelay: true,
      highWaterMark: READ_AHEAD_BYTES,
    });
    server.on('error', (error) => acceptor.failed(socketFailure(error)));
    server.on('connection', (socket) => {
      const plain = this.#adopt(socket);
      // Reset before it was accepted: the kernel no longer knows the peer.
      if (plain.remote.ip === '') plain.reset();
      else acceptor.accepted(plain);
    });
    server.listen({ fd: descriptor }, LISTEN_BACKLOG);
    return new NodeListening(server);
  }

  connect(options: ConnectOptions, handler: ConnectHandler): Cancellable {
    const socket = new Socket({
      fd: options.descriptor,
      allowHalfOpen: true,
      manualStart: true,
      highWaterMark: READ_AHEAD_BYTES,
    } as ConstructorParameters<typeof Socket>[0]);
    return new Connecting(socket, options, handler, this.#turn);
  }

  credentials(source: CredentialsSource): Credentials {
    return new NodeCredentials(this, source);
  }

  secureServer(plain: Plain, options: TlsOptions, handler: SecureHandler): Secure {
    return this.#secure('server', plain, options, handler);
  }

  secureClient(plain: Plain, options: TlsOptions, handler: SecureHandler): Secure {
    return this.#secure('client', plain, options, handler);
  }

  after(ms: number, callback: () => void): Cancellable {
    const timer = setTimeout(callback, ms);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  }

  atEndOfTurn(callback: () => void): void {
    this.#turn.atEnd(callback);
  }

  now(): number {
    return performance.now();
  }

  #adopt(socket: Socket): NodePlain {
    // Already so for accepted sockets; a connected one would start to read by itself.
    socket.pause();
    return new NodePlain(socket, this.#turn);
  }

  #secure(role: TlsRole, plain: Plain, options: TlsOptions, handler: SecureHandler): Secure {
    if (options.credentials.engine !== this) throw new TypeError('credentials of another engine');
    return new NodeSecure(role, carrierOf(plain), this.#turn, options, handler);
  }
}

function carrierOf(plain: Plain): Carrier {
  const { local, remote } = plain;
  if (!(plain instanceof NodePlain)) return { local, remote, stream: new PlainDuplex(plain), lost: undefined };
  return { local, remote, stream: plain.release(), lost: plain.lost };
}

class NodeListening implements Listening {
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
  }

  close(): void {
    if (this.#server.listening) this.#server.close();
  }
}

/** A connect under way, until it is connected, failed, timed out or cancelled. */
class Connecting implements Cancellable {
  readonly #socket: Socket;
  readonly #handler: ConnectHandler;
  readonly #turn: Turn;
  readonly #timer: NodeJS.Timeout;
  #settled = false;

  constructor(socket: Socket, options: ConnectOptions, handler: ConnectHandler, turn: Turn) {
    this.#socket = socket;
    this.#handler = handler;
    this.#turn = turn;
    socket.on('error', (error) => this.#fail(error));
    socket.on('connect', () => {
      if (!this.#settle()) return;
      socket.setNoDelay(true);
      handler.connected(new NodePlain(socket, turn));
    });
    this.#timer = setTimeout(() => {
      if (!this.#settle()) return;
      socket.destroy();
      handler.failed({ code: 'ETIMEDOUT', message: DEADLINE_TEXT });
    }, options.timeoutMs);
    socket.pause();
    socket.connect({ host: options.to.ip, port: options.to.port });
  }

  cancel(): void {
    if (this.#settle()) this.#socket.destroy();
  }

  #fail(error: Error): void {
    if (!this.#settle()) return;
    this.#socket.destroy();
    // Who refuses says ECONNREFUSED. This peer had accepted and reset before we heard of either.
    if (errorCode(error) === 'ECONNRESET') this.#handler.connected(new NodePlain(this.#socket, this.#turn, error));
    else this.#handler.failed(socketFailure(error));
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    clearTimeout(this.#timer);
    return true;
  }
}
