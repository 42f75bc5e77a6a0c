import { once } from 'node:events';
import { type ConnectionOptions, connect, createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls';
import {
  CertificateAuthority,
  type TlsIdentity,
  tlsOptions,
  verifyClientPeer,
  verifyServerPeer,
} from '@ambientmesh/spiffe';
import { expect, test } from 'vitest';

const HOUR = 3_600_000;
const CLIENT = 'spiffe://td/ns/default/sa/client';
const SERVER = 'spiffe://td/ns/default/sa/server';
const serverId = { trustDomain: 'td', namespace: 'default', serviceAccount: 'server' };
const [ca, foreignCa, deepCa] = await Promise.all([
  CertificateAuthority.create({ trustDomain: 'td' }),
  CertificateAuthority.create({ trustDomain: 'td' }),
  CertificateAuthority.create({ trustDomain: 'td', intermediate: true }),
]);

type Spec = Parameters<CertificateAuthority['issue']>[0];

async function identity(spec: Spec, authority = ca, rootsPem = [ca.rootPem]): Promise<TlsIdentity> {
  const { privateKeyPem, chainPem } = await authority.issue(spec);
  return { privateKeyPem, chainPem, rootsPem };
}

interface Outcome {
  /** What the client read, or why it failed. */
  readonly client: string;
  /** Why the server refused, if it did. */
  readonly server: string | undefined;
  readonly details: { protocol: string | null; cipher: string; alpn: string | false | null; sni: unknown } | undefined;
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** One connection over loopback; the server checks the trust domain, then sends `ok`. */
async function handshake(serverOptions: TlsOptions, clientOptions: ConnectionOptions): Promise<Outcome> {
  let refusal: string | undefined;
  let details: Outcome['details'];
  const server = createServer(serverOptions, (socket: TLSSocket) => {
    socket.on('error', () => undefined);
    const leaf = socket.getPeerX509Certificate()?.raw ?? new Uint8Array();
    refusal = verifyClientPeer(leaf, 'td')?.message;
    details = {
      protocol: socket.getProtocol(),
      cipher: socket.getCipher().name,
      alpn: socket.alpnProtocol,
      sni: 'servername' in socket ? socket.servername : undefined,
    };
    if (refusal === undefined) socket.end('ok');
    else socket.destroy();
  });
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    refusal = String(socket.authorizationError ?? error.code);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect({ host: '127.0.0.1', port: portOf(server), ...clientOptions });
  let failure: string | undefined;
  let text = '';
  client.on('error', (error: NodeJS.ErrnoException) => {
    failure = error.code;
  });
  client.on('data', (bytes) => {
    text += bytes.toString();
  });
  const closed = new Promise((resolve) => client.once('close', resolve));
  await closed;
  server.close();
  await once(server, 'close');
  return { client: failure ?? (text || 'closed'), server: refusal, details };
}

const good = { client: await identity({ uris: [CLIENT] }), server: await identity({ uris: [SERVER] }) };
const serverOptions = tlsOptions('server', good.server);
const clientOptions = tlsOptions('client', good.client);

test('1.1 both sides of the mesh: TLS 1.3, the first suite, h2, no SNI', async () => {
  const { client, details } = await handshake(serverOptions, clientOptions);
  expect(client).toBe('ok');
  expect(details).toEqual({ protocol: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', alpn: 'h2', sni: false });
});

test.each([
  { name: 'no certificate', spec: undefined, why: /UNABLE_TO_GET_ISSUER_CERT|ECONNRESET|PEER_DID_NOT_RETURN/ },
  {
    name: 'another CA',
    spec: { uris: [CLIENT] },
    by: foreignCa,
    why: /UNABLE_TO_VERIFY_LEAF|UNABLE_TO_GET_ISSUER|SELF_SIGNED/,
  },
  {
    name: 'expired',
    spec: { uris: [CLIENT], notBeforeEpochMs: Date.now() - HOUR, notAfterEpochMs: Date.now() - 1000 },
    why: /CERT_HAS_EXPIRED/,
  },
  {
    name: 'not valid yet',
    spec: { uris: [CLIENT], notBeforeEpochMs: Date.now() + HOUR, notAfterEpochMs: Date.now() + 2 * HOUR },
    why: /CERT_NOT_YET_VALID/,
  },
  { name: 'EKU serverAuth only', spec: { uris: [CLIENT], usages: ['serverAuth'] as const }, why: /INVALID_PURPOSE/ },
  {
    name: 'another trust domain',
    spec: { uris: ['spiffe://td2/ns/a/sa/b'] },
    why: /expected trustdomain \(td\), got spiffe:\/\/td2\/ns\/a\/sa\/b$/,
  },
  { name: 'only a DNS name', spec: { dnsNames: ['td'] }, why: /expected trustdomain \(td\), got $/ },
  { name: 'no SAN', spec: { subject: [{ CN: ['client'] }] }, why: /expected trustdomain \(td\), got $/ },
])('1.3 client refused: $name', async ({ spec, by, why }) => {
  const { key: _key, cert: _cert, ...anonymous } = clientOptions;
  const options = spec === undefined ? anonymous : tlsOptions('client', await identity(spec, by));
  const outcome = await handshake(serverOptions, options);
  expect(outcome.server).toMatch(why);
  expect(outcome.client).toMatch(/^(closed|ECONNRESET|ERR_SSL_.*)$/);
});

test.each([
  { name: 'no EKU', spec: { uris: [CLIENT], usages: [] } },
  { name: 'EKU clientAuth only', spec: { uris: [CLIENT], usages: ['clientAuth'] as const } },
  { name: 'two SANs, the second of the trust domain', spec: { uris: ['spiffe://td2/ns/a/sa/b', CLIENT] } },
])('1.3 client accepted: $name', async ({ spec }) => {
  const outcome = await handshake(serverOptions, tlsOptions('client', await identity(spec)));
  expect(outcome).toMatchObject({ client: 'ok', server: undefined });
});

test.each([
  {
    name: 'another CA',
    spec: { uris: [SERVER] },
    by: foreignCa,
    why: /UNABLE_TO_VERIFY_LEAF|UNABLE_TO_GET_ISSUER|SELF_SIGNED/,
  },
  {
    name: 'expired',
    spec: { uris: [SERVER], notBeforeEpochMs: Date.now() - HOUR, notAfterEpochMs: Date.now() - 1000 },
    why: /CERT_HAS_EXPIRED/,
  },
  { name: 'EKU clientAuth only', spec: { uris: [SERVER], usages: ['clientAuth'] as const }, why: /INVALID_PURPOSE/ },
])('1.4 server refused: $name', async ({ spec, by, why }) => {
  const outcome = await handshake(tlsOptions('server', await identity(spec, by)), clientOptions);
  expect(outcome.client).toMatch(why);
});

test.each([
  { name: 'the SAN is right', uris: [SERVER], refused: false },
  { name: 'one of two SANs is right', uris: [CLIENT, SERVER], refused: false },
  { name: 'the chain is right, the SAN is not', uris: [CLIENT], refused: true },
])('1.4 what the client sees when $name', async ({ uris, refused }) => {
  const server = createServer(tlsOptions('server', await identity({ uris })), (socket) => socket.end());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect({ port: portOf(server), ...clientOptions });
  await once(client, 'secureConnect');
  const refusal = verifyServerPeer(client.getPeerX509Certificate()?.raw ?? new Uint8Array(), [serverId]);
  expect(refusal !== undefined).toBe(refused);
  client.destroy();
  server.close();
  await once(server, 'close');
});

test.each([
  {
    name: 'TLS 1.2',
    change: { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' } as const,
  },
  { name: 'ChaCha20 only', change: { ciphers: 'TLS_CHACHA20_POLY1305_SHA256' } },
  { name: 'P-521 only', change: { ecdhCurve: 'P-521' } },
  { name: 'ALPN http/1.1', change: { ALPNProtocols: ['http/1.1'] } },
])('1.1 client refused: $name', async ({ change }) => {
  const outcome = await handshake(serverOptions, { ...clientOptions, ...change });
  expect(outcome.server).toMatch(/^ERR_SSL_/);
  expect(outcome.client).toMatch(/^ERR_SSL_/);
});

test('1.1 a client without ALPN is accepted', async () => {
  const { ALPNProtocols: _, ...options } = clientOptions;
  const outcome = await handshake(serverOptions, options);
  expect(outcome).toMatchObject({ client: 'ok', details: { alpn: false } });
});

test('1.5 peers on different roots, each with both in its bundle', async () => {
  const both = [ca.rootPem, foreignCa.rootPem];
  const server = await identity({ uris: [SERVER] }, ca, both);
  const client = await identity({ uris: [CLIENT] }, foreignCa, both);
  const outcome = await handshake(tlsOptions('server', server), tlsOptions('client', client));
  expect(outcome).toMatchObject({ client: 'ok', server: undefined });
});

test('1.5 intermediates are sent along', async () => {
  const server = await identity({ uris: [SERVER] }, deepCa, [deepCa.rootPem]);
  const client = await identity({ uris: [CLIENT] }, deepCa, [deepCa.rootPem]);
  const outcome = await handshake(tlsOptions('server', server), tlsOptions('client', client));
  expect(outcome).toMatchObject({ client: 'ok', server: undefined });
});

test.each([
  { name: 'ours', serverChange: {}, clientChange: {}, want: [false, false] },
  { name: 'client that asks for tickets', serverChange: {}, clientChange: { secureOptions: 0 }, want: [false, false] },
  { name: 'neither ours', serverChange: { secureOptions: 0 }, clientChange: { secureOptions: 0 }, want: [false, true] },
])('1.1 resumption: $name, twice against one server: $want', async ({ serverChange, clientChange, want }) => {
  let session: Buffer | undefined;
  const server = createServer({ ...serverOptions, ...serverChange }, (socket) => socket.end('ok'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const reused: boolean[] = [];
  for (let i = 0; i < 2; i++) {
    const options = { port: portOf(server), ...clientOptions, ...clientChange, ...(session && { session }) };
    const client = connect(options);
    client.on('session', (ticket: Buffer) => {
      session = ticket;
    });
    await once(client, 'secureConnect');
    reused.push(client.isSessionReused());
    client.resume();
    await once(client, 'close');
  }
  server.close();
  await once(server, 'close');
  expect(reused).toEqual(want);
});
