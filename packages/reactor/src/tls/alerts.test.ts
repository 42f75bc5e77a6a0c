import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { type ConnectionOptions, connect, createServer, type TLSSocket } from 'node:tls';
import type { CredentialsSource, TlsOptions } from '@ambientmesh/hbone';
import { createThrowAwayAuthority } from '@ambientmesh/hbone/testing';
import { afterAll, afterEach, expect, test } from 'vitest';
import { createReactorEngine } from '../engine.ts';
import { EngineRig } from '../testing/engine-rig.ts';
import { TlsLog } from '../testing/tls-log.ts';

const rig = new EngineRig(createReactorEngine({ debug: true, closeLingerMs: 500, closeStalledMs: 500 }));
const undos: (() => void)[] = [];
afterEach(() => {
  for (const undo of undos.splice(0).toReversed()) undo();
});
afterAll(async () => {
  await rig.until(() => Object.values(rig.engine.holdings).every((held) => held === 0), 'everything given back');
  await rig[Symbol.asyncDispose]();
});

const fixture = (name: string): string =>
  readFileSync(new URL(`../../../hbone/fixtures/${name}`, import.meta.url), 'utf8');
const identity = (name: string) => ({
  cert: fixture(`${name}.pem`),
  key: fixture(`${name}.key.pem`),
  ALPNProtocols: ['h2'],
});
const source = (name: string): CredentialsSource => ({
  chainPem: fixture(`${name}.pem`),
  privateKeyPem: fixture(`${name}.key.pem`),
  rootsPem: [fixture('root.pem')],
});
const tls = (name: string, verify: TlsOptions['verify'] = () => undefined): TlsOptions => {
  const credentials = rig.engine.credentials(source(name));
  undos.push(() => credentials.close?.());
  return { credentials, verify, handshakeTimeoutMs: 5000 };
};

/** A client of Node’s meets our server; what each says. */
async function refusedClient(
  options: ConnectionOptions,
  verify?: TlsOptions['verify'],
): Promise<{ ours: string; theirs: string }> {
  const log = new TlsLog();
  const listening = rig.listen((plain) => {
    const secure = rig.engine.secureServer(plain, tls('server', verify), log);
    undos.push(() => secure.abort());
  });
  undos.push(() => listening.close());
  const peer = connect({ port: listening.port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  undos.push(() => peer.destroy());
  let theirs = '';
  peer.on('error', (error) => (theirs = error.message)).on('data', () => {});
  await rig.until(() => peer.destroyed && log.failure !== undefined, 'the refusal');
  expect(log.events).toEqual(['failed']);
  return { ours: log.failure?.message ?? '', theirs: /alert number (\d+)/.exec(theirs)?.[1] ?? theirs };
}

const refusedCertificate = (error: string) => `Custom { kind: InvalidData, error: InvalidCertificate(${error}) }`;

// hbone.md §4, the table of TLS failures; the rest as rustls maps them.
test.each([
  {
    what: 'no certificate',
    peer: { ALPNProtocols: ['h2'] },
    alert: 116,
    text: 'Custom { kind: InvalidData, error: NoCertificatesPresented }',
  },
  { what: 'another CA', peer: identity('stranger'), alert: 48, text: refusedCertificate('UnknownIssuer') },
  {
    what: 'expired',
    peer: identity('expired'),
    alert: 45,
    text: /InvalidCertificate\(ExpiredContext \{ time: UnixTime\(\d+\), not_after: UnixTime\([1-9]\d+\) \}\)/,
  },
  {
    what: 'for servers only',
    peer: identity('server-only'),
    alert: 43,
    text: refusedCertificate('InvalidPurposeContext { required: ClientAuth, presented: [ServerAuth] }'),
  },
  {
    what: 'TLS 1.2',
    peer: { ...identity('client'), maxVersion: 'TLSv1.2' },
    alert: 70,
    text: 'Custom { kind: InvalidData, error: PeerIncompatible(SupportedVersionsExtensionRequired) }',
  },
  {
    what: 'ALPN without h2',
    peer: { ...identity('client'), ALPNProtocols: ['http/1.1', 'h3'] },
    alert: 120,
    text: 'Custom { kind: InvalidData, error: NoApplicationProtocol }',
  },
  {
    what: 'ChaCha20 only',
    peer: { ...identity('client'), ciphers: 'TLS_CHACHA20_POLY1305_SHA256' },
    alert: 40,
    text: 'Custom { kind: InvalidData, error: PeerIncompatible(NoCipherSuitesInCommon) }',
  },
] as const)('a client with $what hears alert $alert', async ({ peer, alert, text }) => {
  const { ours, theirs } = await refusedClient(peer);
  expect(theirs).toBe(String(alert));
  if (typeof text === 'string') expect(ours).toBe(text);
  else expect(ours).toMatch(text);
});

test.each([
  {
    reason: 'SanTrustDomainError("a", [])',
    alert: 46,
    text: refusedCertificate('Other(OtherError(SanTrustDomainError("a", [])))'),
  },
  { reason: { certificateError: 'Revoked' }, alert: 44, text: refusedCertificate('Revoked') },
  { reason: { certificateError: 'UnknownIssuer' }, alert: 48, text: refusedCertificate('UnknownIssuer') },
  {
    reason: { certificateError: 'ExpiredContext { time: 1 }' },
    alert: 45,
    text: refusedCertificate('ExpiredContext { time: 1 }'),
  },
  { reason: { certificateError: 'BadSignature' }, alert: 51, text: refusedCertificate('BadSignature') },
  { reason: { certificateError: 'BadEncoding' }, alert: 42, text: refusedCertificate('BadEncoding') },
  {
    reason: { certificateError: 'InvalidCertRevocationList(ParseError)' },
    alert: 40,
    text: 'Custom { kind: InvalidData, error: InvalidCertRevocationList(ParseError) }',
  },
])('a client refused for $reason hears alert $alert', async ({ reason, alert, text }) => {
  expect(await refusedClient(identity('client'), () => reason)).toEqual({ ours: text, theirs: String(alert) });
});

test('a `verify` that throws refuses', async () => {
  const { ours, theirs } = await refusedClient(identity('client'), () => {
    throw new Error('no list');
  });
  expect([ours, theirs]).toEqual([refusedCertificate('Other(OtherError(verification failed: no list))'), '46']);
});

test.each([
  { what: 'another CA', server: 'stranger', alert: 48, text: 'invalid peer certificate: UnknownIssuer' },
  {
    what: 'refused',
    server: 'server',
    alert: 46,
    verify: () => 'because',
    text: 'invalid peer certificate: Other(OtherError(because))',
  },
])('a server, $what, hears alert $alert of our client', async ({ server: name, alert, text, verify }) => {
  const server = createServer({ ...identity(name), requestCert: true, rejectUnauthorized: false });
  let theirs = '';
  server.on('tlsClientError', (error) => (theirs = error.message));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  undos.push(() => server.close());
  const address = server.address();
  const plain = await rig.dial(typeof address === 'object' && address !== null ? address.port : 0);
  const log = new TlsLog();
  const secure = rig.engine.secureClient(plain, tls('client', verify), log);
  undos.push(() => secure.abort());
  await rig.until(() => theirs !== '' && log.failure !== undefined, 'the refusal');
  expect(/alert number (\d+)/.exec(theirs)?.[1]).toBe(String(alert));
  expect(log.failure).toEqual({ code: 'TLS', message: text });
});

test('our client hears the alert of a server that refuses it, behind which its own words are reset', async () => {
  const foreign = rig.engine.credentials({ ...source('server'), rootsPem: [fixture('foreign-root.pem')] });
  undos.push(() => foreign.close?.());
  const [log, serverLog] = [new TlsLog(), new TlsLog()];
  const listening = rig.listen((plain) => {
    const options = { credentials: foreign, verify: () => undefined, handshakeTimeoutMs: 5000 };
    const secure = rig.engine.secureServer(plain, options, serverLog);
    undos.push(() => secure.abort());
  });
  undos.push(() => listening.close());
  const secure = rig.engine.secureClient(await rig.dial(listening.port), tls('client'), log);
  undos.push(() => secure.abort());
  log.heard = (event) => {
    if (event === 'established') secure.send(Buffer.alloc(500_000), 0, 500_000);
  };
  await rig.until(() => log.failure !== undefined, 'the refusal');
  expect(log.events).toEqual(['established', 'failed']);
  expect(log.failure).toEqual({ code: 'TLS', message: 'received fatal alert: UnknownCA' });
  expect(serverLog.failure?.message).toBe(refusedCertificate('UnknownIssuer'));
});

test('HTTP in place of TLS is told by an alert and a FIN, byte for byte', async () => {
  const log = new TlsLog();
  const listening = rig.listen((plain) => rig.engine.secureServer(plain, tls('server'), log));
  undos.push(() => listening.close());
  const socket = connectTcp(listening.port, '127.0.0.1');
  undos.push(() => socket.destroy());
  const received: Buffer[] = [];
  let ended = false;
  socket.on('data', (chunk: Buffer) => received.push(chunk)).on('end', () => (ended = true));
  socket.write('GET / HTTP/1.1\r\n\r\n');
  await rig.until(() => ended, 'the FIN');
  expect(Buffer.concat(received).toString('hex')).toBe('15030300020232');
  expect(log.failure?.message).toBe('Custom { kind: InvalidData, error: InvalidMessage(InvalidContentType) }');
});

test.each([
  { name: 'server', sent: 1 },
  { name: 'chained', sent: 2 },
])('hbone.md §1.1: $name sends leaf and intermediates, without the root', async ({ name, sent }) => {
  const listening = rig.listen((plain) => {
    const secure = rig.engine.secureServer(plain, tls(name), new TlsLog());
    undos.push(() => secure.abort());
  });
  undos.push(() => listening.close());
  const peer: TLSSocket = connect({
    port: listening.port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    ...identity('client'),
  });
  undos.push(() => peer.destroy());
  let count = 0;
  peer
    .on('error', () => {})
    .on('secureConnect', () => {
      for (let next = peer.getPeerX509Certificate(); next !== undefined; next = next.issuerCertificate) count++;
    });
  await rig.until(() => count > 0, 'the handshake');
  expect([count, peer.alpnProtocol, peer.getCipher().name]).toEqual([sent, 'h2', 'TLS_AES_256_GCM_SHA384']);
});

test('a client that offers no ALPN is served', async () => {
  const log = new TlsLog();
  const listening = rig.listen((plain) => {
    const secure = rig.engine.secureServer(plain, tls('server'), log);
    undos.push(() => secure.abort());
  });
  undos.push(() => listening.close());
  const { cert, key } = identity('client');
  const peer = connect({ port: listening.port, host: '127.0.0.1', rejectUnauthorized: false, cert, key });
  peer.on('error', () => {});
  undos.push(() => peer.destroy());
  await rig.until(() => log.events.length > 0, 'the handshake');
  expect(log.events).toEqual(['established']);
});

const nothing = { chainPem: '', privateKeyPem: '', rootsPem: [] as string[] };
const authority = createThrowAwayAuthority();
const [one, other] = [authority.issue('spiffe://a/ns/b/sa/c'), authority.issue('spiffe://a/ns/b/sa/d')];
test.each([
  { what: 'nothing', given: nothing, text: 'chainPem is no certificate in PEM' },
  { what: 'no key', given: { ...one, privateKeyPem: 'key' }, text: 'privateKeyPem is no key in PEM' },
  { what: 'no roots', given: { ...one, rootsPem: [] }, text: 'rootsPem is no list of certificates in PEM' },
  {
    what: 'a root that is none',
    given: { ...one, rootsPem: ['root'] },
    text: 'rootsPem is no list of certificates in PEM',
  },
  {
    what: 'another’s key',
    given: { ...one, privateKeyPem: other.privateKeyPem },
    text: 'chainPem and privateKeyPem do not belong together',
  },
  {
    what: 'a key with a password',
    given: {
      ...one,
      privateKeyPem: '-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGHAgEA\n-----END ENCRYPTED PRIVATE KEY-----\n',
    },
    text: 'privateKeyPem is no key in PEM',
  },
])('credentials of $what are refused with a code', ({ given, text }) => {
  expect(() => rig.engine.credentials(given)).toThrow(
    expect.objectContaining({ code: 'HBONE_CREDENTIALS_INVALID', message: expect.stringContaining(text) }),
  );
});
