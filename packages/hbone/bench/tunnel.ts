/**
 * Bytes and CPU seconds through one tunnel over loopback TLS, both ends in this process: our pair beside a node:http2 pair, one
 * and 16 streams. Run with `node --conditions=@ambientmesh/source packages/hbone/bench/tunnel.ts`.
 */

import { readFileSync } from 'node:fs';
import { connect as connectHttp2, createSecureServer } from 'node:http2';
import { connect, createServer, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { acceptTunnel, ClientConnection, createNodeEngine, ServerConnection, TunnelRelay } from '@ambientmesh/hbone';

const BYTES = 1_000_000_000;
const CHUNK = Buffer.alloc(65_536);
const ROUNDS = 3;
const MS_A_S = 1000;
const BITS = 8;
const MICROSECONDS = 1e6;
const HANDSHAKE_TIMEOUT_MS = 5000;

const engine = createNodeEngine();
const text = (name: string): string => readFileSync(new URL(`../fixtures/${name}`, import.meta.url), 'utf8');
const tls = (leaf: string) => ({
  credentials: engine.credentials({
    chainPem: text(`${leaf}.pem`),
    privateKeyPem: text(`${leaf}.key.pem`),
    rootsPem: [text('root.pem')],
  }),
  verify: () => undefined,
  handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
});
const QUIET = { fromFirst: () => {}, fromSecond: () => {}, finished: () => {} };
const NOBODY = {
  established: () => {},
  bytes: () => {},
  delivered: () => {},
  writable: () => {},
  ended: () => {},
  failed: () => {},
};

async function listen(accepted: (socket: Socket) => void, paused = true): Promise<number> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: paused, noDelay: true }, accepted);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  server.unref();
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** The application: sinks what comes and ends when the client has. */
const sink = await listen((socket) => {
  socket.on('end', () => socket.end());
  socket.resume();
}, false);

const dial = (port: number, connected: (socket: Socket) => void): void => {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.pause();
  socket.on('connect', () => connected(socket));
};

async function ours(): Promise<number> {
  const serverTls = tls('server');
  const tunnel = await listen((socket) => {
    acceptTunnel(engine, engine.adopt(socket), serverTls, {
      established: (secure) => {
        const connection = new ServerConnection(engine, secure, {
          request: (stream) => {
            dial(sink, (app) => {
              stream.respond(200, [], { last: false });
              const relay = new TunnelRelay({ stream, plain: engine.adopt(app), first: 'stream', observer: QUIET });
              return relay;
            });
          },
          closed: () => {},
        });
        return connection;
      },
      failed: () => {},
    });
  });
  const connection = await new Promise<ClientConnection>((resolve) => {
    dial(tunnel, (socket) => {
      const secure = engine.secureClient(engine.adopt(socket), tls('client'), {
        ...NOBODY,
        established: () => resolve(new ClientConnection(engine, secure, { closed: () => {} })),
      });
    });
  });
  return listen((socket) => {
    const plain = engine.adopt(socket);
    connection.open(
      [
        [':method', 'CONNECT'],
        [':authority', '127.0.0.1:80'],
      ],
      {
        response: (stream) => {
          const relay = new TunnelRelay({ stream, plain, first: 'plain', observer: QUIET });
          return relay;
        },
        failed: () => plain.reset(),
      },
    );
  });
}

async function http2(): Promise<number> {
  const settings = { initialWindowSize: 4_194_304 };
  const server = createSecureServer({
    ca: text('root.pem'),
    cert: text('server.pem'),
    key: text('server.key.pem'),
    requestCert: true,
    settings,
  });
  server.on('session', (session) => session.setLocalWindowSize(16_777_216));
  server.on('stream', (stream) => {
    dial(sink, (app) => {
      stream.respond({ ':status': 200 });
      stream.pipe(app).pipe(stream);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const session = connectHttp2('https://127.0.0.1', {
    settings,
    createConnection: () =>
      connectTls({
        port,
        host: '127.0.0.1',
        ALPNProtocols: ['h2'],
        ca: text('root.pem'),
        cert: text('client.pem'),
        key: text('client.key.pem'),
        checkServerIdentity: () => undefined,
      }),
  });
  return listen((socket) => {
    const stream = session.request({ ':method': 'CONNECT', ':authority': '127.0.0.1:80' });
    stream.on('response', () => void socket.pipe(stream).pipe(socket));
  });
}

interface Round {
  readonly gigabits: number;
  /** CPU seconds a gigabyte, of both ends, client and application together; little disturbed by other load. */
  readonly cpu: number;
}

/** `streams` connections to `port` together. */
async function measure(port: number, streams: number): Promise<Round> {
  const started = performance.now();
  const cpuBefore = process.cpuUsage();
  await Promise.all(
    Array.from(
      { length: streams },
      async () =>
        new Promise<void>((resolve) => {
          let left = BYTES / streams;
          const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
          const pour = (): void => {
            while (left > 0) {
              left -= CHUNK.length;
              if (!socket.write(CHUNK)) return;
            }
            socket.end();
          };
          socket.on('drain', pour);
          socket.on('end', resolve);
          socket.resume();
          pour();
        }),
    ),
  );
  const { user, system } = process.cpuUsage(cpuBefore);
  const seconds = (performance.now() - started) / MS_A_S;
  return { gigabits: (BYTES * BITS) / seconds / 1e9, cpu: (user + system) / MICROSECONDS / (BYTES / 1e9) };
}

const contestants = { direct: sink, ours: await ours(), 'node:http2': await http2() };
for (const streams of [1, 16]) {
  for (const [name, port] of Object.entries(contestants)) {
    const rounds: Round[] = [];
    for (let round = 0; round < ROUNDS; round++) rounds.push(await measure(port, streams));
    const median = (values: number[]): string =>
      (values.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? 0).toFixed(2);
    const gigabits = median(rounds.map((round) => round.gigabits));
    const cpu = median(rounds.map((round) => round.cpu));
    process.stdout.write(
      `${String(streams).padStart(2)} streams  ${name.padEnd(10)} ${gigabits} Gbit/s  ${cpu} CPU s/GB\n`,
    );
  }
}
process.exit(0);
