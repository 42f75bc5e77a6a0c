import assert from 'node:assert/strict';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Plain, TlsOptions } from '../../engine.ts';
import { createThrowAwayAuthority, type ThrowAwayAuthority } from '../throw-away-credentials.ts';
import type { EngineHarness } from './contract-case.ts';
import { Watch, WatchedPlain } from './watched-plain.ts';

const DEADLINE_MS = 10_000;
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Names of both ends. */
export const CLIENT = 'spiffe://contract/ns/test/sa/client';
export const SERVER = 'spiffe://contract/ns/test/sa/server';

let authorities: { readonly trusted: ThrowAwayAuthority; readonly stranger: ThrowAwayAuthority } | undefined;

/** What the cases trust, and another; made once, for keys take a while. */
export function contractAuthorities(): NonNullable<typeof authorities> {
  return (authorities ??= { trusted: createThrowAwayAuthority(), stranger: createThrowAwayAuthority() });
}

/** The sockets of one case and the means to wait. */
export class Scene {
  readonly harness: EngineHarness;
  readonly watch = new Watch();
  readonly #undos: (() => void)[] = [];

  constructor(harness: EngineHarness) {
    this.harness = harness;
  }

  /** Undoes at the end, last first. */
  later(undo: () => void): void {
    this.#undos.push(undo);
  }

  clear(): void {
    for (const undo of this.#undos.splice(0).toReversed()) undo();
  }

  /** No callback came from inside a method. */
  check(): void {
    assert.deepEqual(this.watch.violations, []);
  }

  async until(condition: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + DEADLINE_MS;
    while (!condition()) {
      if (performance.now() > deadline) assert.fail(`not in time: ${what}`);
      await this.harness.turn();
    }
  }

  /** As many turns as news on loopback ever take. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) await this.harness.turn();
  }

  /** A connection: the engine's end, accepted, and a socket of Node. */
  async connection(): Promise<{ plain: Plain; peer: Socket }> {
    const accepted: Plain[] = [];
    const { port, close } = await this.harness.listen((plain) => accepted.push(plain));
    this.later(close);
    const peer = this.own(connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true }));
    await this.until(() => accepted.length === 1 && !peer.connecting, 'connected');
    return { plain: this.watched(accepted[0]!), peer };
  }

  /** A connection that the engine dials, and the socket that Node accepted. */
  async dialled(): Promise<{ plain: Plain; peer: Socket }> {
    const accepted: Socket[] = [];
    const port = await this.listen((socket) => accepted.push(socket));
    const plain = await this.harness.dial(port);
    this.later(() => plain.reset());
    await this.until(() => accepted.length === 1, 'accepted');
    return { plain, peer: accepted[0]! };
  }

  /** Both ends the engine's. */
  async pair(): Promise<{ dialled: Plain; accepted: Plain }> {
    const all: Plain[] = [];
    const { port, close } = await this.harness.listen((plain) => all.push(plain));
    this.later(close);
    const dialled = await this.harness.dial(port);
    this.later(() => dialled.reset());
    await this.until(() => all.length === 1, 'accepted');
    const accepted = all[0]!;
    this.later(() => accepted.reset());
    return { dialled, accepted };
  }

  /** A listener of Node on a free port. */
  async listen(accepted: (socket: Socket) => void): Promise<number> {
    const server: Server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) =>
      accepted(this.own(socket)),
    );
    server.listen(0, '127.0.0.1');
    this.later(() => server.close());
    await this.until(() => server.listening, 'listening');
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    return address.port;
  }

  own(socket: Socket): Socket {
    socket.on('error', () => {});
    this.later(() => socket.destroy());
    return socket;
  }

  watched(plain: Plain): Plain {
    this.later(() => plain.reset());
    return new WatchedPlain(plain, this.watch);
  }

  /** TLS options of one end, from the trusted authority unless another is given. */
  tls(uri: string, options: Partial<TlsOptions> & { authority?: ThrowAwayAuthority } = {}): TlsOptions {
    const { authority = contractAuthorities().trusted, ...rest } = options;
    const source = authority.issue(uri);
    const roots = contractAuthorities().trusted.issue(uri).rootsPem;
    return {
      credentials: this.harness.engine.credentials({ ...source, rootsPem: roots }),
      verify: () => undefined,
      handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
      ...rest,
    };
  }
}
