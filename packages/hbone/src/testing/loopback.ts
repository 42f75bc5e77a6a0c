/** What the tests and benches of this package share: fixtures, listeners on loopback, sockets as descriptors' owners. */
import { readdirSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, Socket, type SocketConstructorOpts } from 'node:net';
import type { CredentialsSource, Plain, Secure, TlsOptions } from '../engine.ts';
import type { NodeEngine } from '../node-engine/engine.ts';
import { acceptTunnel } from '../tunnel/accept-tunnel.ts';
import { ClientConnection, type ClientConnectionHandler } from '../tunnel/client-connection.ts';
import type { TunnelOptions } from '../tunnel/link.ts';
import { ServerConnection, type ServerConnectionHandler } from '../tunnel/server-connection.ts';

/** Generous: a loaded machine. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
const ACCEPT: TlsOptions['verify'] = () => undefined;

/** The text of a file of `fixtures/`. */
export function fixture(name: string): string {
  return readFileSync(new URL(`../../fixtures/${name}`, import.meta.url), 'utf8');
}

/** Certificate and key of a leaf in `fixtures/`. */
export function fixtureCredentials(leaf: string, root = 'root'): CredentialsSource {
  return {
    chainPem: fixture(`${leaf}.pem`),
    privateKeyPem: fixture(`${leaf}.key.pem`),
    rootsPem: [fixture(`${root}.pem`)],
  };
}

/** TLS options of a leaf in `fixtures/`. */
export function fixtureTls(engine: NodeEngine, leaf: string, verify = ACCEPT): TlsOptions {
  return {
    credentials: engine.credentials(fixtureCredentials(leaf)),
    verify,
    handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
  };
}

/** Something to undo, in reverse order, at the end of a test. */
export type Cleanup = (undo: () => void) => void;

/** A listener on a free port of 127.0.0.1 that hands every connection to `accepted`. */
export async function listenPlain(
  engine: NodeEngine,
  accepted: (plain: Plain) => void,
  cleanup: Cleanup,
): Promise<number> {
  return listenSockets((socket) => accepted(engine.adopt(socket)), cleanup);
}

/** The same with Node's own sockets. */
export async function listenSockets(accepted: (socket: Socket) => void, cleanup: Cleanup): Promise<number> {
  const server: Server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
  server.on('connection', (socket) => {
    socket.on('error', () => {});
    cleanup(() => socket.destroy());
    accepted(socket);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  cleanup(() => server.close());
  return portOf(server);
}

/** The port a server listens on. */
export function portOf(server: { address(): AddressInfo | string | null }): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** A connected socket, half-open allowed, nothing read. */
export async function dialSocket(port: number, cleanup: Cleanup, options: SocketConstructorOpts = {}): Promise<Socket> {
  const socket = new Socket({ allowHalfOpen: true, ...options });
  socket.on('error', () => {});
  cleanup(() => socket.destroy());
  socket.pause();
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
    socket.connect({ port, host: '127.0.0.1' });
  });
  socket.setNoDelay(true);
  return socket;
}

/** A connected `Plain`. */
export async function dialPlain(engine: NodeEngine, port: number, cleanup: Cleanup): Promise<Plain> {
  return engine.adopt(await dialSocket(port, cleanup));
}

/** A tunnel server of ours on a free port. */
export async function listenTunnelServer(
  engine: NodeEngine,
  handler: ServerConnectionHandler,
  cleanup: Cleanup,
  options?: TunnelOptions & { readonly accepted?: (connection: ServerConnection) => void },
): Promise<number> {
  const tls = fixtureTls(engine, 'server');
  return listenPlain(
    engine,
    (plain) => {
      acceptTunnel(engine, plain, tls, {
        established: (secure) => {
          const connection = new ServerConnection(engine, secure, handler, options);
          cleanup(() => connection.abort());
          options?.accepted?.(connection);
        },
        failed: () => {},
      });
    },
    cleanup,
  );
}

/** An established client-side TLS connection. */
export async function dialSecure(engine: NodeEngine, port: number, cleanup: Cleanup): Promise<Secure> {
  const plain = await dialPlain(engine, port, cleanup);
  return new Promise<Secure>((resolve, reject) => {
    const secure: Secure = engine.secureClient(plain, fixtureTls(engine, 'client'), {
      established: () => resolve(secure),
      bytes: () => {},
      delivered: () => {},
      writable: () => {},
      ended: () => {},
      failed: (failure) => reject(new Error(failure.message)),
    });
  });
}

/** A client connection of ours to a tunnel server on `port`. */
export async function dialTunnelClient(
  engine: NodeEngine,
  port: number,
  cleanup: Cleanup,
  options: TunnelOptions & Partial<ClientConnectionHandler> = {},
): Promise<ClientConnection> {
  const secure = await dialSecure(engine, port, cleanup);
  const connection = new ClientConnection(engine, secure, { closed: () => {}, ...options }, options);
  cleanup(() => connection.abort());
  return connection;
}

/** How many descriptors this process has open. */
export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}
