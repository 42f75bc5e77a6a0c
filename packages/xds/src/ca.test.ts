import { once } from 'node:events';
import { createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { CertificateAuthority, createKeyAndCsr, parseSpiffeId, parseWorkloadCertificate } from '@ambientmesh/spiffe';
import {
  type CaCall,
  CaClient,
  type CaClientOptions,
  type CaServerOptions,
  listenCa,
  XdsError,
} from '@ambientmesh/xds';
import { create } from '@bufbuild/protobuf';
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { IstioCertificateRequestSchema, IstioCertificateService } from './gen/istio/v1/auth/ca_pb.ts';
import { grpcMethod } from './grpc-method.ts';
import { createSecureClient } from './secure-channel.ts';

const id = { trustDomain: 'td', namespace: 'default', serviceAccount: 'sa-a' };
const uri = 'spiffe://td/ns/default/sa/sa-a';
const [ca, otherCa] = await Promise.all([
  CertificateAuthority.create({ trustDomain: 'td' }),
  CertificateAuthority.create({ trustDomain: 'td' }),
]);
const tls = await ca.issueServer({ dnsNames: ['istiod.istio-system.svc', 'localhost'], ips: ['127.0.0.1'] });
const { csrPem, privateKeyPem } = await createKeyAndCsr(id);

async function listen(change: Partial<CaServerOptions<string>> = {}) {
  return listenCa<string>({
    host: '127.0.0.1',
    port: 0,
    tls,
    authorize: ({ impersonate }) => Promise.resolve(impersonate ?? 'spiffe://td/ns/istio-system/sa/ztunnel'),
    sign: async (csr, identity, validitySeconds) => {
      const parsed = parseSpiffeId(identity);
      if (parsed === undefined) throw new Error('no identity');
      return ca.sign(csr, { id: parsed, validityMs: validitySeconds * 1000 });
    },
    ...change,
  });
}

function dial(port: number, change: Partial<CaClientOptions> = {}): CaClient {
  return new CaClient({
    address: `https://127.0.0.1:${port}`,
    rootPem: ca.rootPem,
    token: () => 'token-1',
    clusterId: 'Kubernetes',
    ...change,
  });
}

const request = { csrPem, validitySeconds: 3600, impersonate: uri };

/** What a promise was rejected with. */
async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'resolved',
    (error: unknown) => error,
  );
}

test('4, 8 a certificate for an impersonated identity, with the metadata of the spec', async () => {
  const calls: CaCall[] = [];
  await using server = await listen({
    authorize: (call) => {
      calls.push(call);
      return Promise.resolve(call.impersonate ?? '');
    },
  });
  let uses = 0;
  await using client = dial(server.port, {
    token: () => Promise.resolve(`token-${++uses}`),
    headers: { 'x-more': 'yes' },
  });
  const chain = await client.createCertificate(request);
  const certificate = parseWorkloadCertificate({ privateKeyPem, chain, expected: id });
  expect(certificate.notAfterEpochMs - certificate.notBeforeEpochMs).toBe(3_720_000);
  await client.createCertificate(request);
  expect(calls.map(({ token }) => token)).toEqual(['token-1', 'token-2']);
  expect(calls[0]?.impersonate).toBe(uri);
  expect([...(calls[0]?.metadata ?? [])]).toEqual(
    expect.arrayContaining([
      ['authorization', 'Bearer token-1'],
      ['clusterid', 'Kubernetes'],
      ['x-more', 'yes'],
    ]),
  );
});

test('without impersonation the caller itself is certified', async () => {
  await using server = await listen();
  await using client = dial(server.port);
  const chain = await client.createCertificate({ ...request, impersonate: '' });
  const expected = { trustDomain: 'td', namespace: 'istio-system', serviceAccount: 'ztunnel' };
  expect(parseWorkloadCertificate({ privateKeyPem, chain, expected }).identity).toEqual(expected);
});

const named = async (dnsNames: string[], ips: string[] = []) => ca.issueServer({ dnsNames, ips });
const istiod = await named(['istiod.istio-system.svc']);

test.each([
  { name: 'address in the certificate', host: '127.0.0.1', alt: undefined, cert: tls, ok: true },
  {
    name: 'address not in it, alternative name is',
    host: '127.0.0.1',
    alt: 'istiod.istio-system.svc',
    cert: istiod,
    ok: true,
  },
  { name: 'address in it, alternative name is not', host: '127.0.0.1', alt: 'other.svc', cert: tls, ok: true },
  { name: 'host name in it', host: 'localhost', alt: undefined, cert: tls, ok: true },
  {
    name: 'host name not in it, alternative name is',
    host: 'localhost',
    alt: 'istiod.istio-system.svc',
    cert: istiod,
    ok: true,
  },
  { name: 'neither', host: 'localhost', alt: 'other.svc', cert: istiod, ok: false },
  { name: 'address not in it', host: '127.0.0.1', alt: undefined, cert: istiod, ok: false },
  { name: 'host name not in it', host: 'localhost', alt: undefined, cert: istiod, ok: false },
])('4 the name of the server: $name: $ok', async ({ host, alt, cert, ok }) => {
  await using server = await listen({ tls: cert });
  await using client = dial(server.port, {
    address: `https://${host}:${server.port}`,
    altHostname: alt,
    clusterId: 'c',
  });
  const outcome = await client.createCertificate(request).then(
    () => true,
    (error: unknown) => (error instanceof XdsError && error.code === 'XDS_CONNECT_FAILED' ? false : error),
  );
  expect(outcome).toBe(ok);
});

test('4 a server of another CA is refused, until its root is trusted', async () => {
  await using server = await listen();
  await using client = dial(server.port, { rootPem: otherCa.rootPem });
  await expect(client.createCertificate(request)).rejects.toMatchObject({
    code: 'XDS_CONNECT_FAILED',
    message: 'signing gRPC error (Unknown error): client error (Connect)',
  });
  client.rootChanged(otherCa.rootPem + ca.rootPem);
  await expect(client.createCertificate(request)).resolves.toHaveLength(2);
  expect(() => client.rootChanged('nonsense')).toThrow(expect.objectContaining({ code: 'XDS_CONFIG_INVALID' }));
  await expect(client.createCertificate(request)).resolves.toHaveLength(2);
});

test.each([
  { name: 'TLS 1.2', change: { maxVersion: 'TLSv1.2' } as const },
  { name: 'no h2', change: { ALPNProtocols: ['http/1.1'] } },
])('4 a server with $name is refused', async ({ change }) => {
  const server = createTlsServer({ key: tls.keyPem, cert: tls.certPem, ALPNProtocols: ['h2'], ...change });
  server.on('tlsClientError', () => undefined);
  const port = await listening(server);
  await using client = dial(port);
  await expect(client.createCertificate(request)).rejects.toMatchObject({ code: 'XDS_CONNECT_FAILED' });
  server.close();
});

async function listening(server: TcpServer): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

test('11.1 nobody listens: the text of the reference, the reason in the cause, and it works once somebody does', async () => {
  const first = await listen();
  const { port } = first;
  await first.close();
  await using client = dial(port);
  const errors = await Promise.all([1, 2, 3].map(() => rejection(client.createCertificate(request))));
  expect(errors).toEqual(Array.from({ length: 3 }, () => expect.objectContaining({ code: 'XDS_CONNECT_FAILED' })));
  expect(errors[0]).toMatchObject({ message: 'signing gRPC error (Unknown error): client error (Connect)' });
  expect(String(errors[0] instanceof Error && errors[0].cause)).toMatch(
    new RegExp(`https://127\\.0\\.0\\.1:${port}: .*ECONNREFUSED`),
  );
  await using second = await listen({ port });
  expect(second.port).toBe(port);
  await expect(client.createCertificate(request)).resolves.toHaveLength(2);
});

test('a server that accepts and says nothing fails after the connect limit', async () => {
  const server = createTcpServer((socket) => socket.on('error', () => undefined));
  const port = await listening(server);
  await using client = dial(port, { connectTimeoutMs: 50 });
  const error = await rejection(client.createCertificate(request));
  expect(error).toMatchObject({ code: 'XDS_CONNECT_FAILED' });
  expect(String(error instanceof Error && error.cause)).toContain('within 50 ms');
  server.close();
});

test('the connection survives a restart of the server', async () => {
  const first = await listen();
  const { port } = first;
  await using client = dial(port);
  await client.createCertificate(request);
  first.abort();
  await first.close();
  await using second = await listen({ port });
  expect(second.port).toBe(port);
  await expect(client.createCertificate(request)).resolves.toHaveLength(2);
});

const refused = (grpcStatus: 'PERMISSION_DENIED' | 'UNAUTHENTICATED') =>
  new XdsError('XDS_CALL_FAILED', 'not for you', { grpcStatus });

test.each([
  {
    name: 'authorize refuses',
    change: { authorize: () => Promise.reject(refused('PERMISSION_DENIED')) },
    status: 'PERMISSION_DENIED',
    message: 'signing gRPC error (The caller does not have permission to execute the specified operation): not for you',
  },
  {
    name: 'sign refuses',
    change: { sign: () => Promise.reject(refused('UNAUTHENTICATED')) },
    status: 'UNAUTHENTICATED',
    message: 'signing gRPC error (The request does not have valid authentication credentials): not for you',
  },
  {
    name: 'sign fails',
    change: { sign: () => Promise.reject(new Error('secret')) },
    status: 'INTERNAL',
    message: 'signing gRPC error (Internal error): certificate generation failed',
  },
])('11.1 the texts when $name', async ({ change, status: grpcStatus, message }) => {
  await using server = await listen(change);
  await using client = dial(server.port);
  await expect(client.createCertificate(request)).rejects.toMatchObject({
    code: 'XDS_CALL_FAILED',
    grpcStatus,
    message,
  });
});

test('an unexpected error of the server is told to its owner', async () => {
  const errors: unknown[] = [];
  const failure = new Error('secret');
  await using server = await listen({
    sign: () => Promise.reject(failure),
    onInternalError: (error) => errors.push(error),
  });
  await using client = dial(server.port);
  await rejection(client.createCertificate(request));
  expect(errors).toEqual([failure]);
});

test.each([
  { name: 'a bad request', change: { csrPem: 'x' }, status: 'INVALID_ARGUMENT' },
  { name: 'a request beyond the limit', change: { csrPem: 'x'.repeat(66_000) }, status: 'RESOURCE_EXHAUSTED' },
])('$name ends with $status', async ({ change, status: grpcStatus }) => {
  await using server = await listen();
  await using client = dial(server.port);
  await expect(client.createCertificate({ ...request, ...change })).rejects.toMatchObject({ grpcStatus });
});

test('an answer beyond the limit is refused', async () => {
  await using server = await listen({ sign: () => Promise.resolve(['x'.repeat(2_000_000)]) });
  await using client = dial(server.port);
  await expect(client.createCertificate(request)).rejects.toMatchObject({ grpcStatus: 'RESOURCE_EXHAUSTED' });
});

test.each([
  { name: 'empty', token: () => '' },
  { name: 'with a line break', token: () => 'secret\nx' },
  { name: 'unreadable', token: () => Promise.reject(new Error('ENOENT')) },
])('4 a token that is $name is an error, and is not shown', async ({ token }) => {
  await using client = dial(1, { token });
  const error = await rejection(client.createCertificate(request));
  expect(error).toMatchObject({ code: 'XDS_TOKEN_UNAVAILABLE' });
  expect(String(error)).not.toContain('secret');
});

test.each([
  { address: 'http://localhost:15012' },
  { address: 'localhost:15012' },
  { address: '' },
  { address: 'https://localhost:15012/path' },
  { rootPem: '' },
  { rootPem: './var/run/root.pem' },
  { headers: { 'bad key': 'x' } },
  { headers: { key: 'a\nb' } },
  { clusterId: 'a\nb' },
])('bad options are refused at once: %o', (change) => {
  expect(() => dial(1, change)).toThrow(expect.objectContaining({ code: 'XDS_CONFIG_INVALID' }));
});

test('SYSTEM trusts the roots of the machine, which do not include ours', async () => {
  await using server = await listen();
  await using client = dial(server.port, { rootPem: 'SYSTEM' });
  await expect(client.createCertificate(request)).rejects.toMatchObject({ code: 'XDS_CONNECT_FAILED' });
});

test('abort: before, while connecting, during the call; the reason is thrown', async () => {
  const reason = new Error('enough');
  const silent = createTcpServer((socket) => socket.on('error', () => undefined));
  const port = await listening(silent);
  await using stuck = dial(port);
  await expect(stuck.createCertificate({ ...request, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  const connecting = new AbortController();
  silent.once('connection', () => connecting.abort(reason));
  await expect(stuck.createCertificate({ ...request, signal: connecting.signal })).rejects.toBe(reason);
  silent.close();
  const calling = new AbortController();
  await using server = await listen({
    authorize: () => {
      calling.abort(reason);
      return Promise.resolve(uri);
    },
  });
  await using client = dial(server.port);
  await expect(client.createCertificate({ ...request, signal: calling.signal })).rejects.toBe(reason);
  await expect(client.createCertificate(request)).resolves.toHaveLength(2);
});

test('close: open calls are answered, later ones refused; both sides', async () => {
  const started = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const server = await listen({
    authorize: async () => {
      started.resolve();
      await go.promise;
      return uri;
    },
  });
  const client = dial(server.port);
  const open = client.createCertificate(request);
  await started.promise;
  await client.close();
  const closing = server.close();
  go.resolve();
  await expect(open).resolves.toHaveLength(2);
  await closing;
  await expect(client.createCertificate(request)).rejects.toMatchObject({ code: 'XDS_CLOSED' });
  expect(() => client.rootChanged(ca.rootPem)).toThrow(expect.objectContaining({ code: 'XDS_CLOSED' }));
});

test('roots changed during a call: it ends as it is', async () => {
  const started = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  await using server = await listen({
    authorize: async () => {
      started.resolve();
      await go.promise;
      return uri;
    },
  });
  await using client = dial(server.port);
  const open = client.createCertificate(request);
  await started.promise;
  client.rootChanged(ca.rootPem + otherCa.rootPem);
  go.resolve();
  await expect(open).resolves.toHaveLength(2);
});

test('a call without an answer ends at its limit', async () => {
  const never = Promise.withResolvers<string>();
  const server = await listen({ authorize: () => never.promise });
  await using client = dial(server.port, { callTimeoutMs: 50 });
  await expect(client.createCertificate(request)).rejects.toMatchObject({ grpcStatus: 'DEADLINE_EXCEEDED' });
  server.abort();
});

test.each([
  { name: 'a port that is taken', change: (port: number) => ({ port }) },
  { name: 'an address that is not here', change: () => ({ host: '192.0.2.1' }) },
  { name: 'a bad certificate', change: () => ({ tls: { certPem: 'x', keyPem: 'y' } }) },
])('listening fails with $name', async ({ change }) => {
  await using server = await listen();
  await expect(listen(change(server.port))).rejects.toMatchObject({ code: 'XDS_LISTEN_FAILED' });
});

test.each([
  { name: 'no token', values: [] },
  { name: 'an empty token', values: ['Bearer '] },
  { name: 'another scheme', values: ['Basic abc'] },
])('the server answers UNAUTHENTICATED to $name', async ({ values }) => {
  await using server = await listen();
  const client = createSecureClient({ address: `https://127.0.0.1:${server.port}`, rootPem: ca.rootPem });
  const metadata = new Metadata();
  for (const value of values) metadata.add('authorization', value);
  const { path, requestSerialize, responseDeserialize } = grpcMethod(IstioCertificateService.method.createCertificate);
  const message = create(IstioCertificateRequestSchema, { csr: csrPem });
  const error = await new Promise<ServiceError | null>((resolve) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, message, metadata, resolve);
  });
  client.close();
  expect(error).toMatchObject({ code: status.UNAUTHENTICATED, details: 'request authentication failure' });
});
