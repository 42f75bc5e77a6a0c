/**
 * Half of a tunnel of this package: `ours-role.ts server SINK` answers every CONNECT and joins it to the sink's port;
 * `client SERVER` takes connections on a port of its own, and CONNECTs by itself when asked.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { argv } from 'node:process';
import {
  acceptTunnel,
  ClientConnection,
  createNodeEngine,
  type Fields,
  type Secure,
  ServerConnection,
  TunnelRelay,
} from '@ambientmesh/hbone';
import { fixtureText } from './fixture-text.ts';
import { serveRole } from './role-process.ts';

const HANDSHAKE_TIMEOUT_MS = 10_000;
const QUIET = { fromFirst: () => {}, fromSecond: () => {}, finished: () => {} };
const CONNECT: Fields = [
  [':method', 'CONNECT'],
  [':authority', '127.0.0.1:80'],
];
const NOBODY = { data: () => {}, ended: () => {}, writable: () => {}, failed: () => {} };
const NS_A_MS = 1e6;

const engine = createNodeEngine();
const tls = (leaf: string) => ({
  credentials: engine.credentials({
    chainPem: fixtureText(`${leaf}.pem`),
    privateKeyPem: fixtureText(`${leaf}.key.pem`),
    rootsPem: [fixtureText('root.pem')],
  }),
  verify: () => undefined,
  handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
});

async function listen(accepted: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, accepted);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function dial(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  socket.pause();
  await once(socket, 'connect');
  return socket;
}

async function serve(sink: number): Promise<number> {
  const serverTls = tls('server');
  return listen((socket) => {
    acceptTunnel(engine, engine.adopt(socket), serverTls, {
      established: (secure) => {
        const connection = new ServerConnection(engine, secure, {
          request: (stream) => {
            stream.respond(200, [], { last: false });
            if (sink === 0) {
              stream.handler = { ...NOBODY, ended: () => stream.end() };
              stream.start();
              return;
            }
            dial(sink).then(
              (app) => new TunnelRelay({ stream, plain: engine.adopt(app), first: 'stream', observer: QUIET }),
              () => stream.cancel(),
            );
          },
          closed: () => {},
        });
        return connection;
      },
      failed: () => {},
    });
  });
}

const clientTls = tls('client');

async function openConnection(port: number): Promise<ClientConnection> {
  const socket = await dial(port);
  return new Promise((resolve, reject) => {
    const secure: Secure = engine.secureClient(engine.adopt(socket), clientTls, {
      established: () => resolve(new ClientConnection(engine, secure, { closed: () => {} })),
      bytes: () => {},
      delivered: () => {},
      writable: () => {},
      ended: () => {},
      failed: ({ message }) => reject(new Error(message)),
    });
  });
}

/** Nanoseconds of a CONNECT until its answer, and its end, one after another. */
async function roundTrips(connection: ClientConnection, count: number): Promise<number> {
  const started = performance.now();
  await new Promise<void>((resolve, reject) => {
    let left = count;
    const next = (): void => {
      connection.open(CONNECT, {
        response: (stream) => {
          stream.handler = NOBODY;
          stream.start();
          stream.end();
          if (--left === 0) resolve();
          else next();
        },
        failed: (failure) => reject(new Error(failure.kind)),
      });
    };
    next();
  });
  return ((performance.now() - started) * NS_A_MS) / count;
}

/** `connections` with `streams` each, held open until this process ends. */
async function hold(port: number, connections: number, streams: number): Promise<void> {
  for (let index = 0; index < connections; index++) {
    const connection = await openConnection(port);
    const answered = Array.from(
      { length: streams },
      () =>
        new Promise<void>((resolve, reject) => {
          connection.open(CONNECT, {
            response: (stream) => {
              stream.handler = NOBODY;
              stream.start();
              resolve();
            },
            failed: (failure) => reject(new Error(failure.kind)),
          });
        }),
    );
    await Promise.all(answered);
  }
}

// `both`: a server of its own, so that round trips are not times of waking up another process.
const target = argv[2] === 'both' ? await serve(0) : Number(argv[3]);
if (argv[2] === 'server') serveRole(await serve(target), {});
else {
  const connection = await openConnection(target);
  const port = await listen((socket) => {
    const plain = engine.adopt(socket);
    connection.open(CONNECT, {
      response: (stream) => {
        const relay = new TunnelRelay({ stream, plain, first: 'plain', observer: QUIET });
        return relay;
      },
      failed: () => plain.reset(),
    });
  });
  serveRole(port, {
    roundTrips: async ([count = 1]) => [await roundTrips(connection, count)],
    hold: async ([connections = 0, streams = 0]) => {
      await hold(target, connections, streams);
      return [];
    },
  });
}
