/** Revocation lists against handshakes and running tunnels (spec hbone.md §9), with real sockets and real TLS. */

import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { CertificateAuthority } from '@ambientmesh/spiffe';
import { afterEach, expect, test, vi } from 'vitest';
import { HboneConnection } from '../inbound/hbone-connection.ts';
import { OutboundConnection } from '../outbound/outbound-connection.ts';
import { workload } from '../state/fixtures.ts';
import { cutUntrustedTunnels } from './peer-trust.ts';
import { DRAINED } from './pod.ts';
import type { CertificateMaterial } from './protocol.ts';
import { Revocations } from './revocations.ts';
import { walkInSlices } from './sliced-walk.ts';
import { soon } from './testing/soon.ts';
import { createTestPod, issueMaterial, listen, listenSockets, type TestPod } from './testing/test-pod.ts';

const undos: (() => void)[] = [];
const cleanup = (undo: () => void): void => void undos.push(undo);
afterEach(() => {
  for (const undo of undos.splice(0).toReversed()) undo();
});

const authority = await CertificateAuthority.create({ trustDomain: 'cluster.local', intermediate: true });
const unrelated = await CertificateAuthority.create({ trustDomain: 'cluster.local' });
const serverCertificate = await issueMaterial(authority, 'default');
const clientCertificate = await issueMaterial(authority, 'client');
const [intermediate] = serverCertificate.chainPem.split(/(?<=-----END CERTIFICATE-----\n)/).slice(1);
const lists = {
  server: await authority.revocationList([serialOf(serverCertificate.chainPem)]),
  client: await authority.revocationList([serialOf(clientCertificate.chainPem)]),
  intermediate: await authority.revocationList([serialOf(intermediate ?? '')], 'root'),
  unrelated: await unrelated.revocationList([
    serialOf(serverCertificate.chainPem),
    serialOf(clientCertificate.chainPem),
  ]),
};
const CLIENT = { name: 'client', namespace: 'default', serviceAccount: 'client' };
const REVOKED_TEXT = 'error="connection closed: peer certificate revoked by CRL"';

/** Of the first certificate of a PEM text. */
function serialOf(pem: string): string {
  return new X509Certificate(pem).serialNumber;
}

/** Two pods; what the client's application sends leaves through a tunnel to the server, and comes back. */
async function meshOfTwo() {
  const inbound = createTestPod();
  const outbound = createTestPod({ info: CLIENT });
  const inboundPort = await listen((plain) => inbound.serve(new HboneConnection(inbound.pod, plain)), cleanup);
  const port = await listen((plain) => outbound.serve(new OutboundConnection(outbound.pod, plain)), cleanup);
  prepare(inbound, serverCertificate);
  prepare(outbound, clientCertificate);
  outbound.routes.set('127.0.0.1:15008', inboundPort);
  inbound.routes.set(`127.0.0.1:${port}`, await listenSockets((socket) => socket.pipe(socket), cleanup));
  return { inbound, outbound, port };
}

function prepare(made: TestPod, certificate: CertificateMaterial): void {
  made.state.putWorkload(workload({ name: 'server', ips: ['127.0.0.1'] }), []);
  made.state.putWorkload(workload({ name: 'client', serviceAccount: 'client', ips: ['127.0.0.9'] }), []);
  made.context.localWorkloads.changed();
  made.context.certificates.put(certificate);
  cleanup(() => {
    for (const connection of made.connections) connection.cut(DRAINED);
    made.pod.pool.close();
  });
}

/** As the data plane does with the control thread's message. */
function revoke({ context, connections, pod }: TestPod, file: string): void {
  context.revocations.put(Buffer.from(file));
  for (const connection of connections) connection.recheckPeer?.();
  for (const _ of cutUntrustedTunnels(pod.pool, context));
}

async function call(port: number, text: string) {
  const socket = new Socket({ allowHalfOpen: true });
  const chunks: Buffer[] = [];
  let over = false;
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => void chunks.push(chunk));
  socket.on('end', () => void (over = true)).on('close', () => void (over = true));
  cleanup(() => socket.destroy());
  socket.connect({ port, host: '127.0.0.1' });
  await once(socket, 'connect');
  socket.write(text);
  return { socket, received: () => Buffer.concat(chunks).toString(), over: () => over };
}

const flags = (made: TestPod): (string | undefined)[] =>
  made.context.counters
    .drain()
    .filter(({ failed }) => failed > 0)
    .map(({ labels }) => labels.find(([name]) => name === 'response_flags')?.[1]);

test.each([
  { name: 'leaf', list: lists.client },
  { name: 'intermediate', list: lists.intermediate },
])('new connection, the server refuses: $name of the client is revoked', async ({ list }) => {
  const { inbound, outbound, port } = await meshOfTwo();
  revoke(inbound, list);
  const { over } = await call(port, 'hello');
  await soon(() => expect(over()).toBe(true));
  await soon(() =>
    expect(inbound.lines()).toEqual([
      expect.stringContaining('tls handshake error: Custom { kind: InvalidData, error: InvalidCertificate(Revoked) }'),
    ]),
  );
  expect(inbound.context.revocations.drain()).toEqual({ source: 0, destination: 1 });
  expect(inbound.context.revocations.drain()).toEqual({ source: 0, destination: 0 });
  await soon(() => expect(outbound.lines().filter((line) => line.includes('\taccess\t'))).toHaveLength(1));
});

test.each([
  { name: 'leaf', list: lists.server },
  { name: 'intermediate', list: lists.intermediate },
])('new connection, the client refuses: $name of the server is revoked', async ({ list }) => {
  const { outbound, port } = await meshOfTwo();
  revoke(outbound, list);
  const { over } = await call(port, 'hello');
  await soon(() => expect(over()).toBe(true));
  expect(outbound.lines()[0]).toContain('error="io error: invalid peer certificate: Revoked"');
  expect(outbound.context.revocations.drain()).toEqual({ source: 1, destination: 0 });
  expect(flags(outbound)).toEqual(['CONNECT']);
});

test.each([
  { name: 'the other side only', list: lists.server, side: 'inbound' },
  { name: 'the other side only', list: lists.client, side: 'outbound' },
  { name: 'an unrelated authority', list: lists.unrelated, side: 'inbound' },
  { name: 'nothing', list: '', side: 'outbound' },
] as const)('new connection goes through: the list of the $side is of $name', async ({ list, side }) => {
  const mesh = await meshOfTwo();
  revoke(mesh[side], list);
  const { received } = await call(mesh.port, 'hello');
  await soon(() => expect(received()).toBe('hello'));
});

test('running: the server cuts the tunnels of a revoked client, with its streams, by GOAWAY', async () => {
  const { inbound, outbound, port } = await meshOfTwo();
  const calls = [await call(port, 'one'), await call(port, 'two')];
  for (const { received } of calls) await soon(() => expect(received()).toHaveLength(3));
  revoke(inbound, lists.server);
  expect(inbound.connections.size).toBe(1);
  revoke(inbound, lists.client);
  for (const { over } of calls) await soon(() => expect(over()).toBe(true));
  await soon(() => expect(inbound.connections.size).toBe(0));
  expect(inbound.lines()).toEqual([expect.stringContaining(REVOKED_TEXT), expect.stringContaining(REVOKED_TEXT)]);
  expect(flags(inbound)).toEqual(['CERT_REVOKED']);
  expect(inbound.context.sockets.destination).toBe(0);
  expect(inbound.context.revocations.drain()).toEqual({ source: 0, destination: 0 });
  await soon(() => expect(outbound.pod.pool.connectionCount).toBe(0));
  // An orderly end, and no reset.
  for (const line of outbound.lines()) expect(line).toContain('stream closed because of a broken pipe');
});

test('running: the client drops its tunnels to a revoked server, used ones and idle ones', async () => {
  const { outbound, port } = await meshOfTwo();
  const first = await call(port, 'one');
  await soon(() => expect(first.received()).toBe('one'));
  revoke(outbound, lists.server);
  await soon(() => expect(first.over()).toBe(true));
  expect(outbound.lines()).toEqual([expect.stringContaining(REVOKED_TEXT)]);
  expect(flags(outbound)).toEqual(['CERT_REVOKED']);
  expect(outbound.pod.pool.connectionCount).toBe(0);

  revoke(outbound, '');
  const second = await call(port, 'two');
  await soon(() => expect(second.received()).toBe('two'));
  second.socket.end();
  await soon(() => expect(second.over()).toBe(true));
  expect(outbound.pod.pool.pooledCount).toBe(1);
  revoke(outbound, lists.intermediate);
  expect(outbound.pod.pool.connectionCount).toBe(0);
});

const namesakes = await Promise.all(
  Array.from({ length: 9 }, () => CertificateAuthority.create({ trustDomain: 'cluster.local', intermediate: true })),
);
// The same names as the real authority's root and intermediate, self-made.
const selfMadeRoots = namesakes.map(({ rootPem }) => rootPem);
const impostors = await Promise.all(
  namesakes.slice(0, 2).map(async (one) => {
    const { chainPem } = await issueMaterial(one, 'x');
    return chainPem.split(/(?<=-----END CERTIFICATE-----\n)/)[1] ?? '';
  }),
);
const expiredNamesake = await authority.issue({
  subject: [{ O: ['cluster.local'] }, { CN: ['intermediate'] }],
  authority: true,
  notAfterEpochMs: Date.now() - 1000,
});

/** A signature that is one, but of something else. */
function withOtherSignature(list: string): string {
  const der = Buffer.from(list.replaceAll(/-----.*-----/g, ''), 'base64');
  der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
  return `-----BEGIN X509 CRL-----\n${der.toString('base64')}\n-----END X509 CRL-----\n`;
}

/** The chain with `more` between its leaf and its intermediate. */
function padded(material: CertificateMaterial, more: readonly string[]): CertificateMaterial {
  const [leaf, ...rest] = material.chainPem.split(/(?<=-----END CERTIFICATE-----\n)/);
  return { ...material, chainPem: [leaf, ...more, ...rest].join('') };
}

const paddings = [
  { padding: 'nine self-made roots', more: selfMadeRoots },
  { padding: 'self-made intermediates', more: impostors },
  { padding: 'an expired namesake', more: [expiredNamesake.chain[0] ?? ''] },
].flatMap(({ padding, more }, i) => [
  { padding, more, what: 'leaf' },
  ...(i === 0 ? [{ padding, more, what: 'intermediate' }] : []),
]);

test.each(paddings)('running: a client that pads its chain with $padding is cut: $what', async ({ more, what }) => {
  const { inbound, outbound, port } = await meshOfTwo();
  outbound.context.certificates.put(padded(clientCertificate, more));
  const { received, over } = await call(port, 'one');
  await soon(() => expect(received()).toBe('one'));
  revoke(inbound, what === 'leaf' ? lists.client : lists.intermediate);
  await soon(() => expect(over()).toBe(true));
  expect(inbound.lines()).toEqual([expect.stringContaining(REVOKED_TEXT)]);
  const again = await call(port, 'two');
  await soon(() => expect(again.over()).toBe(true));
  expect(inbound.context.revocations.drain()).toEqual({ source: 0, destination: 1 });
});

test.each(paddings)('running: a server that pads its chain with $padding is cut: $what', async ({ more, what }) => {
  const { inbound, outbound, port } = await meshOfTwo();
  inbound.context.certificates.put(padded(serverCertificate, more));
  const { received, over } = await call(port, 'one');
  await soon(() => expect(received()).toBe('one'));
  revoke(outbound, what === 'leaf' ? lists.server : lists.intermediate);
  await soon(() => expect(over()).toBe(true));
  expect(outbound.lines()).toEqual([expect.stringContaining(REVOKED_TEXT)]);
  const again = await call(port, 'two');
  await soon(() => expect(again.over()).toBe(true));
  expect(outbound.context.revocations.drain()).toEqual({ source: 1, destination: 0 });
});

test("a list in the authority's name that it did not sign refuses what comes, and ends what runs if it lists it", async () => {
  const tampered = withOtherSignature(await authority.revocationList([]));
  const running = await meshOfTwo();
  const one = await call(running.port, 'one');
  await soon(() => expect(one.received()).toBe('one'));
  for (const made of [running.inbound, running.outbound]) revoke(made, tampered);
  one.socket.write(' two');
  await soon(() => expect(one.received()).toBe('one two'));
  revoke(running.inbound, withOtherSignature(lists.client));
  await soon(() => expect(one.over()).toBe(true));
  expect(running.inbound.lines()).toEqual([expect.stringContaining(REVOKED_TEXT)]);

  const { inbound, outbound, port } = await meshOfTwo();
  for (const made of [inbound, outbound]) revoke(made, tampered);
  const again = await call(port, 'two');
  await soon(() => expect(again.over()).toBe(true));
  expect(outbound.lines().at(-1)).toContain('error="io error: invalid certificate revocation list: BadSignature"');
  revoke(outbound, '');
  await call(port, 'three');
  await soon(() =>
    expect(inbound.lines().at(-1)).toContain('kind: InvalidData, error: InvalidCertRevocationList(BadSignature) }'),
  );
});

/** The list comes when the peer's certificate has just been accepted, before the tunnel runs. */
function revokeInHandshake({ context: { revocations } }: TestPod, file: string): void {
  const refusal = revocations.refusal.bind(revocations);
  vi.spyOn(revocations, 'refusal').mockImplementationOnce((...question) => {
    const answer = refusal(...question);
    revocations.put(Buffer.from(file));
    return answer;
  });
}

test('a client that is revoked in its handshake gets no tunnel', async () => {
  const { inbound, port } = await meshOfTwo();
  revokeInHandshake(inbound, lists.client);
  const { over } = await call(port, 'one');
  await soon(() => expect(over()).toBe(true));
  expect(inbound.lines()).toEqual([expect.stringContaining(REVOKED_TEXT)]);
  await soon(() => expect(inbound.connections.size).toBe(0));
  expect(inbound.context.sockets.destination).toBe(0);
  expect(inbound.context.revocations.drain()).toEqual({ source: 0, destination: 1 });
});

test('a server that is revoked in its handshake gets no tunnel', async () => {
  const { outbound, port } = await meshOfTwo();
  revokeInHandshake(outbound, lists.server);
  const { over, received } = await call(port, 'one');
  await soon(() => expect(over()).toBe(true));
  expect(received()).toBe('');
  expect(outbound.lines()).toEqual([expect.stringContaining('peer certificate revoked by CRL')]);
  expect(outbound.pod.pool.connectionCount).toBe(0);
  expect(outbound.context.revocations.drain()).toEqual({ source: 1, destination: 0 });
});

test('without lists no chain is read', () => {
  const revocations = new Revocations();
  const unread = {
    get peerChain(): never {
      throw new Error('read');
    },
  };
  expect(revocations.hasRevoked(unread)).toBe(false);
  expect(revocations.refusesMeanwhile(unread, 'client')).toBe(false);
});

test('lists are the only rule that is added: an unrelated one changes nothing, and nothing else is counted', async () => {
  const { inbound } = await meshOfTwo();
  const trust = { rootsPem: clientCertificate.rootsPem, usage: 'client' } as const;
  revoke(inbound, lists.unrelated);
  const stale = await authority.issue({ uris: [], notAfterEpochMs: Date.now() - 1000 });
  const ders = [stale.chain[0], stale.chain[1]].map((pem) => new X509Certificate(pem ?? '').raw);
  expect(inbound.context.revocations.refusal(ders, trust)).toBeUndefined();
  revoke(inbound, lists.client);
  expect(inbound.context.revocations.refusal([Buffer.from('x')], trust)).toMatchObject({
    code: 'SPIFFE_PEER_MALFORMED',
  });
  expect(inbound.context.revocations.drain()).toEqual({ source: 0, destination: 0 });
});

test('lists of an authority that nobody is below of are told of once', async () => {
  const warnings: string[] = [];
  const revocations = new Revocations((message) => warnings.push(message));
  const strangers = await CertificateAuthority.create({ trustDomain: 'elsewhere' });
  revocations.put(Buffer.from(lists.client + (await strangers.revocationList(['01']))));
  const ders = serverCertificate.chainPem
    .split(/(?<=-----END CERTIFICATE-----\n)/)
    .slice(0, 2)
    .map((pem) => new X509Certificate(pem).raw);
  for (let i = 0; i < 300; i++) revocations.refusal(ders, { rootsPem: serverCertificate.rootsPem, usage: 'server' });
  expect(warnings).toEqual([expect.stringContaining('CRL of "elsewhere"')]);
});

test('10,000 tunnels are gone through in slices, with less than a second of work', async () => {
  const revocations = new Revocations();
  const ders = clientCertificate.chainPem
    .split(/(?<=-----END CERTIFICATE-----\n)/)
    .slice(0, 2)
    .map((pem) => new X509Certificate(pem).raw);
  const tunnels = Array.from({ length: 10_000 }, () => ({ peerChain: ders }));
  revocations.put(Buffer.from(lists.client));
  const { engine } = createTestPod().context;
  const cut = new Set<object>();
  function* steps(): Generator<void> {
    for (const tunnel of tunnels) {
      if (revocations.hasRevoked(tunnel)) cut.add(tunnel);
      yield;
    }
  }
  const begin = process.cpuUsage();
  let turns = 0;
  walkInSlices(engine, steps());
  expect(cut.size).toBeLessThan(10_000);
  while (cut.size < 10_000) {
    turns++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(turns).toBeGreaterThan(2);
  const { user, system } = process.cpuUsage(begin);
  expect((user + system) / 1000).toBeLessThan(1000);
});

test('running: lists that name nobody cut nobody', async () => {
  const { inbound, outbound, port } = await meshOfTwo();
  const { socket, received } = await call(port, 'one');
  await soon(() => expect(received()).toBe('one'));
  for (const made of [inbound, outbound]) for (const list of [lists.unrelated, '']) revoke(made, list);
  socket.write(' two');
  await soon(() => expect(received()).toBe('one two'));
});

test('lists that cannot be read change nothing', async () => {
  const { inbound } = await meshOfTwo();
  revoke(inbound, lists.client);
  expect(() => inbound.context.revocations.put(Buffer.from('garbage'))).toThrow(/neither PEM nor DER/);
  const chain = clientCertificate.chainPem.split(/(?<=-----END CERTIFICATE-----\n)/);
  const ders = chain.filter((pem) => pem !== '').map((pem) => new X509Certificate(pem).raw);
  const trust = { rootsPem: clientCertificate.rootsPem, usage: 'client' } as const;
  expect(inbound.context.revocations.refusal(ders, trust)).toMatchObject({ code: 'SPIFFE_PEER_REVOKED' });
});
