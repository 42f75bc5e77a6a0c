import { type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { type ConnectionFailure, createNodeEngine, HboneError, type Secure, type TlsOptions } from '@ambientmesh/hbone';
import { afterEach, expect, test } from 'vitest';
import {
  dialPlain,
  dialSocket,
  fixture,
  fixtureCredentials,
  fixtureTls,
  listenPlain,
  listenSockets,
  portOf,
} from '../testing/loopback.ts';
import { soon } from '../testing/soon.ts';

const engine = createNodeEngine();
const undos: (() => void)[] = [];
const cleanup = (undo: () => void): void => {
  undos.push(undo);
};

afterEach(() => {
  for (const undo of undos.splice(0).toReversed()) undo();
});

async function ending(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.once('end', () => resolve('fin'));
    socket.once('error', (error) => resolve('code' in error ? String(error.code) : 'error'));
    socket.resume();
  });
}

interface Handshake {
  readonly failure: ConnectionFailure | undefined;
  readonly client: string;
}

async function shake(verify: TlsOptions['verify'], dial: (port: number) => Promise<string>): Promise<Handshake> {
  const done: (ConnectionFailure | undefined)[] = [];
  const tls = fixtureTls(engine, 'server', verify);
  const port = await listenPlain(
    engine,
    (plain) => {
      const secure: Secure = engine.secureServer(plain, tls, {
        established: () => {
          done.push(undefined);
          secure.close();
        },
        bytes: () => {},
        delivered: () => {},
        writable: () => {},
        ended: () => {},
        failed: (failure) => void done.push(failure),
      });
    },
    cleanup,
  );
  const client = await dial(port);
  await soon(() => done.length > 0);
  return { failure: done[0], client };
}

function nodeClient(options: ConnectionOptions): (port: number) => Promise<string> {
  return async (port) =>
    new Promise((resolve) => {
      const socket = connectTls({ port, host: '127.0.0.1', checkServerIdentity: () => undefined, ...options });
      cleanup(() => socket.destroy());
      socket.on('error', (error) => resolve('code' in error ? String(error.code) : 'error'));
      socket.on('end', () => resolve('end'));
      socket.resume();
    });
}

const serverIdentity = (leaf: string) => ({
  cert: fixture(`${leaf}.pem`),
  key: fixture(`${leaf}.key.pem`),
  ca: fixture('root.pem'),
  ALPNProtocols: ['h2'],
});
const identity = (leaf: string): ConnectionOptions => serverIdentity(leaf);
const invalidData = (text: string): string => `Custom { kind: InvalidData, error: ${text} }`;

test.each([
  { name: 'good', options: identity('client'), text: undefined },
  { name: 'good, through an intermediate', options: identity('chained'), text: undefined },
  { name: 'good, no ALPN', options: { ...identity('client'), ALPNProtocols: [] }, text: undefined },
  {
    name: 'no certificate',
    options: { ca: fixture('root.pem'), ALPNProtocols: ['h2'] },
    text: invalidData('NoCertificatesPresented'),
    client: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
  },
  { name: 'other CA', options: identity('stranger'), text: invalidData('InvalidCertificate(UnknownIssuer)') },
  {
    name: 'expired',
    options: identity('expired'),
    text: /^Custom \{ kind: InvalidData, error: InvalidCertificate\(ExpiredContext \{ time: UnixTime\(\d{10}\), not_after: UnixTime\(1577923200\) \}\) \}$/,
  },
  {
    name: 'EKU without clientAuth',
    options: identity('server-only'),
    text: invalidData('InvalidCertificate(InvalidPurposeContext { required: ClientAuth, presented: [ServerAuth] })'),
  },
  {
    name: 'TLS 1.2',
    options: { ...identity('client'), maxVersion: 'TLSv1.2' as const },
    text: invalidData('PeerIncompatible(SupportedVersionsExtensionRequired)'),
    client: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
  },
  {
    name: 'ChaCha20 only',
    options: { ...identity('client'), ciphers: 'TLS_CHACHA20_POLY1305_SHA256' },
    text: invalidData('PeerIncompatible(NoCipherSuitesInCommon)'),
  },
  {
    name: 'ALPN without h2',
    options: { ...identity('client'), ALPNProtocols: ['http/1.1'] },
    text: invalidData('NoApplicationProtocol'),
    client: 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
  },
])('TLS server: $name', async ({ options, text, client }) => {
  const seen = await shake(() => undefined, nodeClient(options));
  if (text === undefined) expect(seen.failure).toBeUndefined();
  else expect(seen.failure?.message).toMatch(text);
  if (client !== undefined) expect(seen.client).toBe(client);
});

test('TLS server: no TLS at all', async () => {
  const seen = await shake(
    () => undefined,
    async (port) => {
      const socket = await dialSocket(port, cleanup);
      socket.end('GET / HTTP/1.1\r\n\r\n');
      return ending(socket);
    },
  );
  expect(seen.failure).toEqual({ code: 'TLS', message: invalidData('InvalidMessage(InvalidContentType)') });
});

test.each([
  {
    name: 'FIN',
    leave: (socket: Socket) => void socket.end(),
    message: 'Custom { kind: UnexpectedEof, error: "tls handshake eof" }',
  },
  {
    name: 'RST',
    leave: (socket: Socket) => void socket.resetAndDestroy(),
    message: 'Os { code: 104, kind: ConnectionReset, message: "Connection reset by peer" }',
  },
])('TLS server: $name in the handshake', async ({ leave, message }) => {
  const seen = await shake(
    () => undefined,
    async (port) => {
      const socket = await dialSocket(port, cleanup);
      socket.resume();
      leave(socket);
      return '';
    },
  );
  expect(seen.failure).toEqual({ code: 'ECONNRESET', message });
});

test('TLS server: `verify` refuses with its reason, with the chain as DER', async () => {
  let lengths: number[] = [];
  const seen = await shake(
    (chain) => {
      lengths = chain.map((der) => der.length);
      return 'SanTrustDomainError("cluster.local", [])';
    },
    nodeClient(identity('chained')),
  );
  expect(seen.failure?.message).toBe(
    invalidData('InvalidCertificate(Other(OtherError(SanTrustDomainError("cluster.local", []))))'),
  );
  expect(lengths).toHaveLength(2);
});

test('TLS server: a handshake that is not finished in time', async () => {
  const failures: ConnectionFailure[] = [];
  const tls = { ...fixtureTls(engine, 'server'), handshakeTimeoutMs: 20 };
  const port = await listenPlain(
    engine,
    (plain) => {
      engine.secureServer(plain, tls, {
        established: () => {},
        bytes: () => {},
        delivered: () => {},
        writable: () => {},
        ended: () => {},
        failed: (failure) => void failures.push(failure),
      });
    },
    cleanup,
  );
  const socket = await dialSocket(port, cleanup);
  expect(await ending(socket)).toBe('fin');
  expect(failures).toEqual([{ code: 'TLS', message: 'handshake not finished within 20 ms' }]);
});

test.each([
  { name: 'other CA', server: 'stranger', verify: undefined, text: 'invalid peer certificate: UnknownIssuer' },
  {
    name: 'verify refuses',
    server: 'server',
    verify: 'identity verification error: x',
    text: 'invalid peer certificate: Other(OtherError(identity verification error: x))',
  },
])('TLS client: $name', async ({ server, verify, text }) => {
  let servername: string | false | null | undefined = 'unset';
  const tlsServer = createTlsServer(
    { ...serverIdentity(server), requestCert: true, rejectUnauthorized: false },
    (socket) => {
      servername = socket.servername;
      socket.on('error', () => {});
    },
  );
  tlsServer.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => {
    tlsServer.listen(0, '127.0.0.1', resolve);
  });
  cleanup(() => tlsServer.close());
  const plain = await dialPlain(engine, portOf(tlsServer), cleanup);
  const failure = await new Promise<ConnectionFailure | undefined>((resolve) => {
    engine.secureClient(
      plain,
      fixtureTls(engine, 'client', () => verify),
      {
        established: () => resolve(undefined),
        bytes: () => {},
        delivered: () => {},
        writable: () => {},
        ended: () => {},
        failed: resolve,
      },
    );
  });
  expect(failure).toEqual({ code: 'TLS', message: text });
  expect(['unset', false, null]).toContain(servername);
});

test('TLS client: the server`s alert after the handshake has a name', async () => {
  const port = await listenSockets((socket) => {
    socket.on('error', () => {});
    engine.secureServer(engine.adopt(socket), fixtureTls(engine, 'server'), {
      established: () => {},
      bytes: () => {},
      delivered: () => {},
      writable: () => {},
      ended: () => {},
      failed: () => {},
    });
  }, cleanup);
  const plain = await dialPlain(engine, port, cleanup);
  const failure = await new Promise<ConnectionFailure>((resolve) => {
    engine.secureClient(
      plain,
      {
        ...fixtureTls(engine, 'client'),
        credentials: engine.credentials({ chainPem: '', privateKeyPem: '', rootsPem: [fixture('root.pem')] }),
      },
      {
        established: () => {},
        bytes: () => {},
        delivered: () => {},
        writable: () => {},
        ended: () => {},
        failed: resolve,
      },
    );
  });
  expect(failure).toEqual({ code: 'TLS', message: 'received fatal alert: CertificateRequired' });
});

test('credentials that do not fit throw HBONE_CREDENTIALS_INVALID', () => {
  const source = { ...fixtureCredentials('client'), privateKeyPem: fixture('server.key.pem') };
  expect(() => engine.credentials(source)).toThrow(HboneError);
  expect(() => engine.credentials({ ...source, privateKeyPem: 'x' })).toThrow(
    expect.objectContaining({ code: 'HBONE_CREDENTIALS_INVALID' }),
  );
});
