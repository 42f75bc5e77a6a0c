/** `node:http2` as the other end. */
import {
  type ClientHttp2Session,
  connect as connectHttp2,
  createSecureServer,
  type Http2Server,
  type ServerHttp2Stream,
  type Settings,
} from 'node:http2';
import { connect as connectTls } from 'node:tls';
import { type Cleanup, fixture, portOf } from './loopback.ts';

const PEER_WINDOW_BYTES = 1_048_576;

/** A client session of `node:http2` to a tunnel server on `port`. */
export async function http2Client(port: number, cleanup: Cleanup): Promise<ClientHttp2Session> {
  const session = connectHttp2('https://127.0.0.1', {
    settings: { initialWindowSize: PEER_WINDOW_BYTES },
    createConnection: () =>
      connectTls({
        port,
        host: '127.0.0.1',
        ALPNProtocols: ['h2'],
        ca: fixture('root.pem'),
        cert: fixture('client.pem'),
        key: fixture('client.key.pem'),
        checkServerIdentity: () => undefined,
      }),
  });
  session.on('error', () => {});
  cleanup(() => session.destroy());
  await new Promise((resolve) => {
    session.once('connect', resolve);
  });
  return session;
}

/** A server of `node:http2` that answers every CONNECT by `serve`. */
export async function http2Server(
  serve: (stream: ServerHttp2Stream) => void,
  cleanup: Cleanup,
  settings: Settings = { initialWindowSize: PEER_WINDOW_BYTES },
): Promise<{ readonly port: number; readonly server: Http2Server }> {
  const server = createSecureServer({
    ca: fixture('root.pem'),
    cert: fixture('server.pem'),
    key: fixture('server.key.pem'),
    requestCert: true,
    settings,
  });
  server.on('sessionError', () => {});
  server.on('session', (session) => cleanup(() => session.destroy()));
  server.on('stream', (stream) => {
    stream.on('error', () => {});
    serve(stream);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  cleanup(() => server.close());
  return { port: portOf(server), server };
}
