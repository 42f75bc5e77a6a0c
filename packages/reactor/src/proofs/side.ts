import { once } from 'node:events';
import { createServer, Socket } from 'node:net';
import {
  acceptTunnel,
  type Cancellable,
  ClientConnection,
  type ConnectHandler,
  type ConnectionFailure,
  type CredentialsSource,
  createNodeEngine,
  type Engine,
  type Plain,
  type Secure,
  ServerConnection,
  type ServerConnectionHandler,
  type TlsOptions,
  type TunnelOptions,
} from '@ambientmesh/hbone';
import { createThrowAwayAuthority } from '@ambientmesh/hbone/testing';
import { createReactorEngine, type ReactorEngine, type ReactorEngineOptions } from '../engine.ts';
import { Arena } from '../memory/arena.ts';
import { foreignLibrary } from '../native/foreign-library.ts';
import { SOL_SOCKET } from '../native/kernel-constants.ts';
import { Loopback } from '../native/loopback.ts';
import { SystemCalls } from '../native/system-calls.ts';
import { readSocketAddress } from '../sockets/socket-address.ts';

const authority = createThrowAwayAuthority();
const ARENA_BYTES = 65_536;
const BACKLOG = 4096;
const DIAL_TIMEOUT_MS = 20_000;
/** Of socket(7). */
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const HANDSHAKE_TIMEOUT_MS = 20_000;
const QUICK = { closeLingerMs: 500, closeStalledMs: 500 };

/** An engine and the means to make sockets for it: one end of a tunnel. For tests. */
export interface Side {
  readonly engine: Engine;
  /** Answers the port. */
  listen(accepted: (plain: Plain) => void): Promise<number>;
  dial(port: number): Promise<Plain>;
  /** What is to be done in each turn of Node's event loop. */
  turn(): void;
  close(): void;
}

/** The reactor, in debug mode. */
export class ReactorSide implements Side {
  readonly engine: ReactorEngine;
  /** Not the engine's: descriptors come to an engine from outside. */
  readonly #arena = new Arena(ARENA_BYTES);
  readonly #calls = new SystemCalls(this.#arena);
  readonly #loopback = new Loopback(this.#arena, this.#calls);
  readonly #closes: (() => void)[] = [];
  /** What accepting said. */
  readonly failures: string[] = [];

  readonly #socketBufferBytes: number | undefined;

  /** `socketBufferBytes`: what the kernel keeps for a socket, each way; else as much as it likes, some megabytes. */
  constructor(options: ReactorEngineOptions & { readonly socketBufferBytes?: number } = {}) {
    this.engine = createReactorEngine({ debug: true, ...QUICK, ...options });
    this.#socketBufferBytes = options.socketBufferBytes;
  }

  async listen(accepted: (plain: Plain) => void): Promise<number> {
    const descriptor = this.#sized(this.#loopback.listen());
    const { port } = readSocketAddress(this.#arena, this.#loopback.address);
    // Longer than the loopback's own queue.
    foreignLibrary().find('listen', 'int', ['int', 'int'])(descriptor, BACKLOG);
    const failed = ({ message }: ConnectionFailure): void => void this.failures.push(message);
    const listening = this.engine.listen(descriptor, { accepted, failed });
    this.#closes.push(() => listening.close());
    return Promise.resolve(port);
  }

  async dial(port: number): Promise<Plain> {
    return new Promise((resolve, reject) => {
      this.connect(port, {
        connected: resolve,
        failed: ({ message }) => reject(new Error(message)),
      });
    });
  }

  connect(port: number, handler: ConnectHandler): Cancellable {
    const options = {
      descriptor: this.#sized(this.#loopback.socket()),
      to: { ip: '127.0.0.1', port },
      timeoutMs: DIAL_TIMEOUT_MS,
    };
    return this.engine.connect(options, handler);
  }

  turn(): void {
    this.engine.turn(0);
  }

  /** Accepted ones inherit it from those that listen. */
  #sized(descriptor: number): number {
    if (this.#socketBufferBytes !== undefined)
      for (const option of [SO_SNDBUF, SO_RCVBUF])
        this.#calls.setOption(descriptor, SOL_SOCKET, option, this.#socketBufferBytes);
    return descriptor;
  }

  /** No connection is accepted any more. */
  deafen(): void {
    for (const close of this.#closes.splice(0)) close();
  }

  close(): void {
    this.deafen();
    this.engine.close();
    this.#arena.close();
  }
}

/** The other engine, for comparison. */
export class NodeSide implements Side {
  readonly engine = createNodeEngine(QUICK);
  readonly #closes: (() => void)[] = [];

  async listen(accepted: (plain: Plain) => void): Promise<number> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) =>
      accepted(this.engine.adopt(socket)),
    );
    server.listen(0, '127.0.0.1');
    this.#closes.push(() => server.close());
    await once(server, 'listening');
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  async dial(port: number): Promise<Plain> {
    const socket = new Socket({ allowHalfOpen: true });
    socket.pause();
    socket.connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return this.engine.adopt(socket);
  }

  turn(): void {}

  close(): void {
    for (const close of this.#closes.splice(0)) close();
  }
}

/** A certificate that all ends trust. */
export function issue(name: string): CredentialsSource {
  return authority.issue(`spiffe://proof/ns/a/sa/${name}`);
}

/** TLS options of one end; all ends trust each other. */
export function tlsOf(engine: Engine, name: string): TlsOptions {
  return {
    credentials: engine.credentials(issue(name)),
    verify: () => undefined,
    handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
  };
}

/** A server of tunnels; answers its port. */
export async function serveTunnels(
  side: Side,
  handler: ServerConnectionHandler,
  established: (connection: ServerConnection) => void = () => {},
  options: TunnelOptions = {},
): Promise<number> {
  const tls = tlsOf(side.engine, 'server');
  return side.listen((plain) => {
    acceptTunnel(side.engine, plain, tls, {
      established: (secure) => established(new ServerConnection(side.engine, secure, handler, options)),
      failed: () => {},
    });
  });
}

/** A connection to a server of tunnels. */
export async function dialTunnels(side: Side, port: number): Promise<ClientConnection> {
  const plain = await side.dial(port);
  return new Promise((resolve, reject) => {
    const secure: Secure = side.engine.secureClient(plain, tlsOf(side.engine, 'client'), {
      established: () => resolve(new ClientConnection(side.engine, secure, { closed: () => {} })),
      bytes: () => {},
      delivered: () => {},
      writable: () => {},
      ended: () => {},
      failed: ({ message }) => reject(new Error(message)),
    });
  });
}

/** Has sides take their turns until told to stop. */
export class Pump {
  readonly #sides: readonly Side[];
  readonly #deadlineMs: number;

  constructor(sides: readonly Side[], deadlineMs = 60_000) {
    this.#sides = sides;
    this.#deadlineMs = deadlineMs;
  }

  async turn(): Promise<void> {
    for (const side of this.#sides) side.turn();
    await new Promise(setImmediate);
  }

  /** The deadline counts from when `progress` last said something new. */
  async until(condition: () => boolean, what: string, progress: () => number = () => 0): Promise<void> {
    let at = performance.now();
    let before = progress();
    for (let turns = 0; !condition(); turns++) {
      await this.turn();
      if (turns % 64 !== 0) continue;
      const now = progress();
      if (now !== before) at = performance.now();
      before = now;
      if (performance.now() > at + this.#deadlineMs) throw new Error(`not in time: ${what}`);
    }
  }

  /** What `promise` comes to, if that is turns away. */
  async wait<Value>(promise: Promise<Value>, what: string): Promise<Value> {
    let settled = false;
    promise.then(
      () => (settled = true),
      () => (settled = true),
    );
    await this.until(() => settled, what);
    return promise;
  }
}
