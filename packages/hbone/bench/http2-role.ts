/**
 * The same as `ours-role.ts` on `node:http2`, as good as it can be made with its public options: windows of the same
 * size, `pipe` with large buffers.
 */
import { once } from 'node:events';
import { type ClientHttp2Session, connect as connectHttp2, createSecureServer } from 'node:http2';
import { connect, createServer, type Socket } from 'node:net';
import { argv } from 'node:process';
import { connect as connectTls } from 'node:tls';
import { fixtureText } from './fixture-text.ts';
import { serveRole } from './role-process.ts';

const CONNECTION_WINDOW_BYTES = 16_777_216;
const HIGH_WATER_MARK_BYTES = 262_144;
const SETTINGS = { initialWindowSize: 4_194_304, maxFrameSize: 1_048_576 };
/** Megabytes. */
const MAX_SESSION_MEMORY = 1024;
const SECURITY = { ca: fixtureText('root.pem'), minVersion: 'TLSv1.3', ciphers: 'TLS_AES_256_GCM_SHA384' } as const;
const CONNECT = { ':method': 'CONNECT', ':authority': '127.0.0.1:80' };
const NS_A_MS = 1e6;

const portOf = (server: { address(): unknown }): number => {
  const address = server.address();
  return typeof address === 'object' && address !== null && 'port' in address ? Number(address.port) : 0;
};

async function dial(port: number): Promise<Socket> {
  const options = { port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true, highWaterMark: HIGH_WATER_MARK_BYTES };
  const socket = connect(options);
  await once(socket, 'connect');
  return socket;
}

async function serve(sink: number): Promise<number> {
  const server = createSecureServer({
    ...SECURITY,
    cert: fixtureText('server.pem'),
    key: fixtureText('server.key.pem'),
    requestCert: true,
    settings: SETTINGS,
    maxSessionMemory: MAX_SESSION_MEMORY,
  });
  server.on('session', (session) => session.setLocalWindowSize(CONNECTION_WINDOW_BYTES));
  server.on('stream', (stream) => {
    stream.on('error', () => {});
    stream.respond({ ':status': 200 });
    if (sink === 0) {
      stream.on('end', () => stream.end());
      stream.resume();
      return;
    }
    dial(sink).then(
      (app) => stream.pipe(app).pipe(stream),
      () => stream.close(),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return portOf(server);
}

async function openSession(port: number): Promise<ClientHttp2Session> {
  const session = connectHttp2('https://127.0.0.1', {
    settings: SETTINGS,
    maxSessionMemory: MAX_SESSION_MEMORY,
    createConnection: () =>
      connectTls({
        ...SECURITY,
        port,
        host: '127.0.0.1',
        ALPNProtocols: ['h2'],
        cert: fixtureText('client.pem'),
        key: fixtureText('client.key.pem'),
        checkServerIdentity: () => undefined,
      }),
  });
  await once(session, 'remoteSettings');
  session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
  return session;
}

/** Nanoseconds of a CONNECT until its answer, and its end, one after another. */
async function roundTrips(session: ClientHttp2Session, count: number): Promise<number> {
  const started = performance.now();
  await new Promise<void>((resolve, reject) => {
    let left = count;
    const next = (): void => {
      const stream = session.request(CONNECT);
      stream.on('error', reject);
      stream.on('response', () => {
        stream.end();
        stream.resume();
        if (--left === 0) resolve();
        else next();
      });
    };
    next();
  });
  return ((performance.now() - started) * NS_A_MS) / count;
}

// `both`: a server of its own, so that round trips are not times of waking up another process.
const target = argv[2] === 'both' ? await serve(0) : Number(argv[3]);
if (argv[2] === 'server') serveRole(await serve(target), {});
else {
  const session = await openSession(target);
  const server = createServer(
    { allowHalfOpen: true, noDelay: true, highWaterMark: HIGH_WATER_MARK_BYTES },
    (socket) => {
      const stream = session.request(CONNECT);
      stream.on('error', () => socket.destroy());
      stream.on('response', () => void socket.pipe(stream).pipe(socket));
    },
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  serveRole(portOf(server), {
    roundTrips: async ([count = 1]) => [await roundTrips(session, count)],
    hold: async ([connections = 0, streams = 0]) => {
      for (let index = 0; index < connections; index++) {
        const held = await openSession(target);
        await Promise.all(
          Array.from({ length: streams }, async () => {
            const stream = held.request(CONNECT);
            await once(stream, 'response');
          }),
        );
      }
      return [];
    },
  });
}
