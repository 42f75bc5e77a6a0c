/** Connections of a pod with real sockets and real TLS, from their start to their end. */
import { once } from 'node:events';
import { createServer, Socket } from 'node:net';
import { descriptorOf } from '@ambientmesh/netns';
import { afterEach, expect, test } from 'vitest';
import { HboneConnection } from '../inbound/hbone-connection.ts';
import { PlaintextConnection } from '../inbound/plaintext-connection.ts';
import { OutboundConnection } from '../outbound/outbound-connection.ts';
import { SocksConnection } from '../outbound/socks-connection.ts';
import { service, workload } from '../state/fixtures.ts';
import type { Workload } from '../state/workload.ts';
import { MAX_OPENING_TUNNELS, OpeningTunnels } from './opening-tunnels.ts';
import { DRAINED, type Pod } from './pod.ts';
import { SilentPlain } from './testing/silent-plain.ts';
import { soon } from './testing/soon.ts';
import {
  createAuthority,
  createTestPod,
  issueMaterial,
  listen,
  listenSockets,
  type TestPod,
  type TestPodOptions,
} from './testing/test-pod.ts';

const undos: (() => void)[] = [];
const cleanup = (undo: () => void): void => void undos.push(undo);
afterEach(() => {
  for (const undo of undos.splice(0).toReversed()) undo();
});

const authority = await createAuthority();
const serverCertificate = await issueMaterial(authority, 'default');
const clientCertificate = await issueMaterial(authority, 'client');

/** A socket of which only the addresses matter. */
const NOT_CONNECTED = {
  handler: { readable: () => undefined, written: () => undefined, failed: () => undefined },
  descriptor: -1,
  queued: 0,
  read: () => 0,
  write: () => undefined,
  end: () => undefined,
  close: () => undefined,
  reset: () => undefined,
};

const CLIENT = { name: 'client', namespace: 'default', serviceAccount: 'client' };
const server = workload({ name: 'server', ips: ['127.0.0.1'] });
const client = workload({ name: 'client', serviceAccount: 'client', ips: ['127.0.0.9'] });

type Serve = 'hbone' | 'plaintext' | 'outbound' | 'socks5';

/** A pod with one listener. */
async function podServing(kind: Serve, options: TestPodOptions = {}) {
  const made = createTestPod(options);
  cleanup(() => {
    for (const connection of made.connections) connection.cut(DRAINED);
    made.pod.pool.close();
  });
  const port = await listen((plain) => made.serve(connectionOf(kind, made.pod, plain)), cleanup);
  return { ...made, port };
}

function connectionOf(kind: Serve, pod: Pod, plain: ConstructorParameters<typeof HboneConnection>[1]) {
  switch (kind) {
    case 'hbone':
      return new HboneConnection(pod, plain);
    case 'plaintext':
      return new PlaintextConnection(pod, plain);
    case 'outbound':
      return new OutboundConnection(pod, plain);
    case 'socks5':
      return new SocksConnection(pod, plain);
  }
}

async function call(port: number, text = ''): Promise<Socket & { received(): string }> {
  const socket = new Socket({ allowHalfOpen: true });
  const chunks: Buffer[] = [];
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => void chunks.push(chunk));
  cleanup(() => socket.destroy());
  socket.connect({ port, host: '127.0.0.1' });
  await once(socket, 'connect');
  if (text !== '') socket.write(text);
  return Object.assign(socket, { received: () => Buffer.concat(chunks).toString('latin1') });
}

/** Resolves when the other end has ended or cut the connection. */
async function ended(socket: Socket): Promise<void> {
  await new Promise<void>((resolve) => {
    socket.once('end', resolve);
    socket.once('close', () => resolve());
  });
}

/** Answers every chunk with the same. */
const echo = (): Promise<number> => listenSockets((socket) => socket.pipe(socket), cleanup);

function known({ state, context }: TestPod, ...workloads: Workload[]): void {
  for (const one of workloads) state.putWorkload(one, []);
  context.localWorkloads.changed();
}

test('15008: cut while it waits for the workload', async () => {
  const pod = await podServing('hbone');
  const socket = await call(pod.port);
  await soon(() => expect(pod.connections.size).toBe(1));
  for (const connection of pod.connections) connection.cut(DRAINED);
  await ended(socket);
  expect(pod.connections.size).toBe(0);
  known(pod, server);
  expect(pod.wanted).toEqual([]);
});

test('15008: cut while it waits for the certificate', async () => {
  const pod = await podServing('hbone');
  known(pod, server);
  const socket = await call(pod.port);
  await soon(() => expect(pod.wanted).toEqual([serverCertificate.identity]));
  for (const connection of pod.connections) connection.cut(DRAINED);
  await ended(socket);
  expect(pod.context.sockets.destination).toBe(0);
});

test('15008: cut while it waits for the ClientHello, with everything known before', async () => {
  const pod = await podServing('hbone');
  known(pod, server);
  pod.context.certificates.put(serverCertificate);
  const socket = await call(pod.port);
  await soon(() => expect(pod.connections.size).toBe(1));
  for (const connection of pod.connections) connection.cut(DRAINED);
  await ended(socket);
  expect(pod.lines()).toEqual([]);
});

test.each([
  { when: 'before the ClientHello', early: true },
  { when: 'after the ClientHello', early: false },
])('15008: without a certificate the ClientHello is answered by FIN; known $when', async ({ early }) => {
  const pod = await podServing('hbone');
  known(pod, server);
  const socket = await call(pod.port, early ? '' : 'hello');
  const errors: Error[] = [];
  socket.on('error', (error) => errors.push(error));
  await soon(() => expect(pod.wanted).toHaveLength(1));
  pod.context.certificates.unavailable(serverCertificate.identity, 'refused');
  if (early) socket.write('hello');
  await once(socket.resume(), 'end');
  await soon(() => expect(pod.connections.size).toBe(0));
  expect(errors).toEqual([]);
  expect(pod.lines()).toEqual([expect.stringContaining('error="signing error: refused"')]);
});

test('15008: an unusable certificate ends who waits for it, and nobody else', async () => {
  const pod = await podServing('hbone');
  known(pod, server);
  const socket = await call(pod.port, 'hello');
  await soon(() => expect(pod.wanted).toHaveLength(1));
  pod.context.certificates.put({ ...serverCertificate, chainPem: 'rubbish' });
  await ended(socket);
  expect(pod.lines()[0]).toContain('error="signing error: certificate, key or roots not usable: ');
});

test('15008: beyond the limit the oldest handshake gives way', () => {
  const opening = new OpeningTunnels();
  const gone: number[] = [];
  const tunnels = Array.from({ length: MAX_OPENING_TUNNELS + 2 }, (_, index) => ({
    giveWay(): void {
      gone.push(index);
      opening.delete(this);
    },
  }));
  for (const tunnel of tunnels) opening.add(tunnel);
  expect(gone).toEqual([0, 1]);
});

test.each(['plaintext', 'outbound'] as const)('%s: cut while it dials', async (kind) => {
  const pod = await podServing(kind);
  known(pod, { ...server, ips: [] });
  const socket = await call(pod.port);
  await soon(() => expect(pod.dialled).toHaveLength(1));
  for (const connection of pod.connections) connection.cut(DRAINED);
  await ended(socket);
  expect(pod.dialled).toEqual([{ to: `127.0.0.1:${pod.port}`, cancelled: true }]);
});

test('plaintext: to the application and back, counted and logged', async () => {
  const pod = await podServing('plaintext');
  known(pod, server);
  pod.routes.set(`127.0.0.1:${pod.port}`, await echo());
  const socket = await call(pod.port, 'hello');
  await soon(() => expect(socket.received()).toBe('hello'));
  socket.end();
  await ended(socket);
  await soon(() => expect(pod.connections.size).toBe(0));
  expect(pod.lines()[0]).toContain('direction="inbound" bytes_sent=5 bytes_recv=5');
  expect(pod.context.counters.drain()).toMatchObject([
    { opened: 1, closed: 1, failed: 0, receivedBytes: 5, sentBytes: 5 },
  ]);
});

/** Two pods: what the client's application sends to `target` leaves through a tunnel to the server. */
async function meshOfTwo(serverWorkload = server, clientWorkload = client) {
  const inbound = await podServing('hbone');
  const outbound = await podServing('outbound', { info: CLIENT });
  for (const pod of [inbound, outbound]) {
    known(pod, serverWorkload, clientWorkload);
    pod.context.certificates.put(pod === inbound ? serverCertificate : clientCertificate);
  }
  const target = `127.0.0.1:${outbound.port}`;
  outbound.routes.set('127.0.0.1:15008', inbound.port);
  inbound.routes.set(target, await echo());
  return { inbound, outbound, target };
}

test('a tunnel between two pods: both logs are mirror images', async () => {
  const { inbound, outbound } = await meshOfTwo();
  const socket = await call(outbound.port, 'hello');
  await soon(() => expect(socket.received()).toBe('hello'));
  socket.end();
  await ended(socket);
  await soon(() => expect([...outbound.lines(), ...inbound.lines()]).toHaveLength(2));
  const identities = 'dst.identity="spiffe://cluster.local/ns/default/sa/default"';
  for (const pod of [inbound, outbound]) expect(pod.lines()[0]).toContain(identities);
  expect(outbound.lines()[0]).toContain('direction="outbound" bytes_sent=5 bytes_recv=5');
  expect(inbound.lines()[0]).toContain('direction="inbound" bytes_sent=5 bytes_recv=5');
});

test('the server asks its policies anew for every stream of a tunnel', async () => {
  const { inbound, outbound } = await meshOfTwo();
  const first = await call(outbound.port, 'first');
  await soon(() => expect(first.received()).toBe('first'));
  known(inbound, { ...server, authorizationPolicies: ['default/deny'] });
  const second = await call(outbound.port, 'second');
  await ended(second);
  expect(second.received()).toBe('');
  expect(outbound.lines()[0]).toContain('error="http status: 401 Unauthorized"');
  expect(inbound.lines()[0]).toContain('error="connection closed due to policy rejection: policy default/deny');
  expect(outbound.pod.pool.connectionCount).toBe(1);
  first.write(' goes on');
  await soon(() => expect(first.received()).toBe('first goes on'));
});

test('a tunnel that dies is told of where it was dialled, one that is closed or cut is not', async () => {
  const { outbound } = await meshOfTwo();
  const open = async () => {
    const socket = await call(outbound.port, 'hello');
    await soon(() => expect(socket.received()).toBe('hello'));
    const [connection] = outbound.pod.pool.connections;
    return { connection: connection!, socket };
  };
  const dead = await open();
  const { secure } = dead.connection;
  const { handler } = secure;
  secure.abort();
  handler.failed({ code: 'ECONNRESET', message: 'Connection reset by peer (os error 104)' });
  await ended(dead.socket);
  const told = outbound.lines().filter((line) => line.includes('HBONE connection'));
  expect(told).toHaveLength(1);
  expect(told[0]).toMatch(
    /^error\tproxy::h2::client:proxy\{wl=default\/client\}:outbound\{id=[0-9a-f]{32}\}\tError in HBONE connection handshake: Error \{ kind: Io\(Kind\(ConnectionReset\)\) \}\t$/,
  );
  for (const end of ['close', 'abort'] as const) {
    const other = await open();
    if (end === 'close') other.connection.secure.handler.ended(false);
    else other.connection.abort();
    await ended(other.socket);
  }
  expect(outbound.lines().filter((line) => line.includes('HBONE connection'))).toHaveLength(1);
});

test('names that no header can carry do not end the thread', async () => {
  const bad = { workloadName: 'ends in a space ', canonicalName: 'a\nb', canonicalRevision: 'x'.repeat(20_000) };
  const { outbound } = await meshOfTwo({ ...server, ...bad }, { ...client, ...bad });
  const socket = await call(outbound.port, 'hello');
  await soon(() => expect(socket.received()).toBe('hello'));
});

test('a removed pod: tunnels that were being made or used are gone', async () => {
  const { inbound, outbound } = await meshOfTwo();
  const socket = await call(outbound.port, 'hello');
  await soon(() => expect(socket.received()).toBe('hello'));
  for (const connection of inbound.connections) connection.cut(DRAINED);
  await ended(socket);
  expect(inbound.lines()[0]).toContain(`error="${DRAINED.message}"`);
  expect(inbound.pod.recordContext.open.size).toBe(0);
  expect(inbound.context.sockets.destination).toBe(0);
});

test('socks5: bytes behind the request reach a destination outside of the mesh', async () => {
  const pod = await podServing('socks5', { info: CLIENT });
  known(pod, client);
  pod.routes.set('10.0.0.1:80', await echo());
  const request = Buffer.from('050100050100010a0000010050', 'hex');
  const socket = await call(pod.port, `${request.toString('latin1')}early`);
  await soon(() => expect(socket.received().slice(12)).toBe('early'));
  socket.end();
  await ended(socket);
  await soon(() => expect(pod.lines()[0]).toContain('bytes_sent=5 bytes_recv=5'));
});

test.each([
  { port: 15_001, dialled: [], error: 'attempted recursive call to ourselves' },
  { port: 15_008, dialled: ['10.0.0.9:15008'], error: undefined },
])('15001: a pod without tunnel calls its own address, port $port', async ({ port, dialled, error }) => {
  const pod = createTestPod({ info: CLIENT });
  known(pod, { ...client, ips: [] });
  // Any socket that connection tracking knows nothing of.
  await using some = createServer().listen(0);
  await once(some, 'listening');
  const descriptor = descriptorOf(some) ?? -1;
  const plain = {
    ...NOT_CONNECTED,
    descriptor,
    local: { ip: '10.0.0.9', port },
    remote: { ip: '10.0.0.9', port: 40_000 },
  };
  pod.serve(new OutboundConnection(pod.pod, plain));
  expect(pod.dialled.map(({ to }) => to)).toEqual(dialled);
  expect(/error="(.*)"/.exec(pod.lines()[0] ?? '')?.[1]).toBe(error);
});

test.each(['outbound', 'plaintext'] as const)(
  '%s: nobody knows where it was going: it is closed, and only it',
  (kind) => {
    const pod = createTestPod({ info: CLIENT });
    known(pod, client);
    // No descriptor, as of a connection that is gone.
    const plain = new SilentPlain();
    pod.serve(connectionOf(kind, pod.pod, plain));
    expect([plain.ended, pod.connections.size, pod.dialled]).toEqual(['closed', 0, []]);
    expect(pod.context.sockets).toEqual({ source: 0, destination: 0 });
    expect(pod.lines()).toEqual([
      expect.stringMatching(
        /^warn\taccess\tconnection failed\tsrc\.addr=127\.0\.0\.1:1 .* error="original destination is unknown: .*descriptor/,
      ),
    ]);
  },
);

test('a service that discovery knows without endpoints is an early failure', async () => {
  const pod = await podServing('outbound', { info: CLIENT });
  known(pod, client);
  pod.state.putService(service({ name: 'empty', vips: [{ network: '', ip: '127.0.0.1' }] }));
  const socket = await call(pod.port);
  await ended(socket);
  expect(pod.lines()[0]).toMatch(/^warn\taccess\tconnection failed\t.*error="no healthy upstream: 127\.0\.0\.1:\d+"$/);
});
