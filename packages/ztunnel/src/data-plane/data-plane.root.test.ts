/** Data planes in real namespaces: two pods joined by a wire, applications in both, tunnels between them. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer, Socket } from 'node:net';
import { createTestEngine } from '@ambientmesh/hbone/testing';
import { closeDescriptor, listenTcp, Namespace, openTcp } from '@ambientmesh/netns';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createLogBacklog } from '../log/log-backlog.ts';
import { workload } from '../state/fixtures.ts';
import { DataPlane } from './data-plane.ts';
import type { DataPlaneConfig, FromDataThread } from './protocol.ts';
import { soon } from './testing/soon.ts';
import { createAuthority, issueMaterial, TEST_CONFIG } from './testing/test-pod.ts';

const PORT = 8080;
const SOCKS_PORT = 15_080;
const server = workload({ name: 'server', serviceAccount: 'server', ips: ['10.77.0.2'] });
const client = workload({ name: 'client', serviceAccount: 'client', ips: ['10.77.0.1'] });
const authority = await createAuthority();
const material = { server: await issueMaterial(authority, 'server'), client: await issueMaterial(authority, 'client') };

const holders: ChildProcess[] = [];
let clientPod: Namespace;
let serverPod: Namespace;
const undos: (() => void)[] = [];

beforeAll(async () => {
  [clientPod, serverPod] = await Promise.all([holdNamespace(), holdNamespace()]);
  inside(clientPod, `ip link add eth0 type veth peer name eth0 netns ${holders[1]?.pid}`);
  inside(clientPod, 'ip addr add 10.77.0.1/24 dev eth0; ip link set eth0 up');
  inside(serverPod, 'ip addr add 10.77.0.2/24 dev eth0; ip link set eth0 up');
});

afterEach(() => {
  for (const undo of undos.splice(0).toReversed()) undo();
});

afterAll(() => {
  for (const pod of [clientPod, serverPod]) pod.close();
  for (const holder of holders) holder.kill('SIGKILL');
});

function inside(pod: Namespace, command: string): void {
  pod.run(() => execFileSync('sh', ['-ec', command]));
}

async function holdNamespace(): Promise<Namespace> {
  const holder = spawn('unshare', ['-n', 'sh', '-c', 'ip link set lo up; echo ready; exec sleep 600'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  holders.push(holder);
  await once(holder.stdout, 'data');
  return Namespace.ofPid(holder.pid ?? 0);
}

type Said<T extends FromDataThread['type']> = Extract<FromDataThread, { readonly type: T }>;

function startPlane(name: 'server' | 'client', over: Partial<DataPlaneConfig> = {}) {
  const said: FromDataThread[] = [];
  const emit = (message: FromDataThread): void => void said.push(message);
  const config = {
    ...TEST_CONFIG,
    socks5Port: SOCKS_PORT,
    keepAlive: { idleSeconds: 180, intervalSeconds: 180, count: 9 },
  };
  const plane = new DataPlane({ ...config, ...over }, createTestEngine(), { emit, logBacklog: createLogBacklog() });
  undos.push(() => plane.close());
  for (const one of [server, client]) plane.apply({ type: 'workload', workload: one, endpoints: [] });
  const pod = name === 'server' ? serverPod : clientPod;
  const start = () =>
    plane.apply({
      type: 'pod-start',
      uid: name,
      info: { name, namespace: 'default', serviceAccount: name },
      netns: pod.fd,
    });
  start();
  const all = <T extends FromDataThread['type']>(type: T): Said<T>[] =>
    said.filter((message): message is Said<T> => message.type === type);
  const log = (): string => {
    plane.apply({ type: 'report', id: 1 });
    return all('log')
      .map(({ text }) => text)
      .join('');
  };
  /** Index of the first message of a type whose text, if it has one, contains `text`. */
  const position = (type: FromDataThread['type'], text = ''): number =>
    said.findIndex((message) => message.type === type && (!('text' in message) || message.text.includes(text)));
  return { plane, start, all, log, position };
}

function startBoth() {
  const [inbound, outbound] = [startPlane('server'), startPlane('client')];
  inbound.plane.apply({ type: 'certificate', certificate: material.server });
  outbound.plane.apply({ type: 'certificate', certificate: material.client });
  return { inbound, outbound };
}

/** A server in the pod; an echo if nothing else is said. */
async function startApplication(serve: (socket: Socket) => void = (socket) => void socket.pipe(socket)): Promise<void> {
  const { fd } = listenTcp(serverPod, { ip: '10.77.0.2', port: PORT });
  const application = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    undos.push(() => socket.destroy());
    serve(socket);
  });
  await new Promise<void>((resolve) => {
    application.listen({ fd }, resolve);
  });
  undos.push(() => application.close());
}

/** A client's application: asks the proxy's socks5 front for the server, and says hello at once. */
async function callServer() {
  const { fd } = openTcp(clientPod, { family: 4 });
  const socket = new Socket({ fd, allowHalfOpen: true });
  undos.push(() => socket.destroy());
  socket.on('error', () => undefined);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => void chunks.push(chunk));
  let over = false;
  const end = (): void => void (over = true);
  socket.on('end', end).on('close', end);
  socket.connect({ host: '127.0.0.1', port: SOCKS_PORT });
  await once(socket, 'connect');
  socket.write(Buffer.from('050100050100010a4d00021f90', 'hex'));
  socket.write('hello');
  // Behind both replies of socks5.
  return { socket, received: () => Buffer.concat(chunks).subarray(12).toString(), over: () => over };
}

test('from application to application through a tunnel; counted, listed and logged', async () => {
  await startApplication();
  const { inbound, outbound } = startBoth();
  expect(inbound.all('pod-started')).toEqual([{ type: 'pod-started', uid: 'server', transparent: false }]);
  const call = await callServer();
  await soon(() => expect(call.received()).toBe('hello'));

  inbound.plane.apply({ type: 'connections', id: 7 });
  const [listed] = inbound.all('connections');
  const src = expect.stringMatching(/^10\.77\.0\.1:\d+$/);
  expect(listed?.pods.get('server')?.inbound).toEqual([
    { src, originalDst: null, actualDst: `10.77.0.2:${PORT}`, protocol: 'HBONE' },
  ]);
  call.socket.end();
  await soon(() => expect(call.over()).toBe(true));
  await soon(() => expect(inbound.log()).toContain('direction="inbound" bytes_sent=5 bytes_recv=5'));
  expect(outbound.log()).toContain('dst.addr=10.77.0.2:15008 dst.hbone_addr=10.77.0.2:8080');
  expect(outbound.log()).toContain('dst.identity="spiffe://cluster.local/ns/default/sa/server"');
  const counters = inbound.all('report').flatMap((report) => report.counters);
  expect(counters.reduce((sum, delta) => sum + delta.receivedBytes, 0)).toBe(5);
  // What is still open is the tunnel.
  expect(inbound.all('report').at(-1)?.openSockets).toEqual({ source: 0, destination: 1 });
});

test('a pod that stops is gone at once, and can start again', async () => {
  await startApplication();
  const { inbound, outbound } = startBoth();
  const call = await callServer();
  await soon(() => expect(call.received()).toBe('hello'));
  inbound.plane.apply({ type: 'pod-stop', uid: 'server' });
  await soon(() => expect(call.over()).toBe(true));
  expect(inbound.all('pod-stopped')).toHaveLength(1);
  expect(inbound.log()).toContain('error="while closing connection: receive: io error: ');
  expect(inbound.all('report').at(-1)?.openSockets).toEqual({ source: 0, destination: 0 });
  inbound.start();
  const again = await callServer();
  await soon(() => expect(again.received()).toBe('hello'));
  expect(outbound.all('pod-failed')).toEqual([]);
});

test('a revocation list cuts the tunnel and refuses the next one', async () => {
  await startApplication();
  const { inbound } = startBoth();
  const call = await callServer();
  await soon(() => expect(call.received()).toBe('hello'));
  const { serialNumber } = new X509Certificate(material.client.chainPem);
  const file = Buffer.from(await authority.revocationList([serialNumber]));
  inbound.plane.apply({ type: 'revocations', file });
  await soon(() => expect(call.over()).toBe(true));
  expect(inbound.log()).toContain('error="connection closed: peer certificate revoked by CRL"');
  const again = await callServer();
  await soon(() => expect(again.over()).toBe(true));
  await soon(() => expect(inbound.log()).toContain('InvalidCertificate(Revoked)'));
  const refused = inbound.all('report').reduce((sum, { revocations }) => sum + revocations.destination, 0);
  expect(refused).toBe(1);
});

test('a drain waits for its deadline, cuts what is left and says so once', async () => {
  await startApplication();
  const { inbound, outbound } = startBoth();
  const call = await callServer();
  await soon(() => expect(call.received()).toBe('hello'));
  outbound.plane.apply({ type: 'drain', deadlineMs: 1 });
  await soon(() => expect(outbound.all('drained')).toEqual([{ type: 'drained', cut: 1 }]));
  await soon(() => expect(call.over()).toBe(true));
  expect(outbound.all('component-drained').map(({ component, forced }) => [component, forced])).toEqual([
    ['inbound passthrough', false],
    ['inbound', false],
    ['outbound', true],
  ]);
  expect(outbound.log()).toContain('error="connection closed due to connection drain"');
  // The other side's last connection has ended: nothing is to be waited for.
  inbound.plane.apply({ type: 'drain', deadlineMs: 60_000 });
  await soon(() => expect(inbound.all('drained')).toEqual([{ type: 'drained', cut: 0 }]));
});

test('a drain waits for the bytes of a connection whose other half was closed before: server', async () => {
  const answer = Buffer.alloc(3_000_000, 'a');
  let asked = false;
  await startApplication((socket) => {
    asked = true;
    socket.on('end', () => socket.end(answer)).resume();
  });
  const { inbound } = startBoth();
  const call = await callServer();
  await soon(() => expect(asked).toBe(true));
  inbound.plane.apply({ type: 'drain', deadlineMs: 60_000 });
  call.socket.end();
  await soon(() => expect(call.over()).toBe(true));
  expect(call.received()).toHaveLength(answer.length);
  await soon(() => expect(inbound.all('drained')).toEqual([{ type: 'drained', cut: 0 }]));
  // A thread is ended at that word: what was not said before never is.
  const line = inbound.position('log', 'direction="inbound" bytes_sent=3000000 bytes_recv=5');
  expect(line).toBeGreaterThanOrEqual(0);
  expect(line).toBeLessThan(inbound.position('drained'));
});

test('a drain waits for the bytes of a connection whose other half was closed before: client', async () => {
  let heard = 0;
  let ended = false;
  await startApplication((socket) => {
    socket.end('bye');
    socket.on('data', (chunk) => void (heard += chunk.length)).on('end', () => void (ended = true));
  });
  const { outbound } = startBoth();
  const call = await callServer();
  await soon(() => expect(call.received()).toBe('bye'));
  outbound.plane.apply({ type: 'drain', deadlineMs: 60_000 });
  call.socket.end(Buffer.alloc(10_000_000));
  await soon(() => expect(outbound.all('drained')).toEqual([{ type: 'drained', cut: 0 }]));
  await soon(() => expect(ended).toBe(true));
  expect(heard).toBe(10_000_005);
});

test('an application that ignores the end of a tunnel is still served, and cut with its pod', async () => {
  let application: Socket | undefined;
  await startApplication((socket) => void (application = socket.resume()));
  const { inbound, outbound } = startBoth();
  await callServer();
  await soon(() => expect(application).toBeDefined());
  outbound.plane.close();
  await soon(() => expect(application?.readableEnded).toBe(true));
  inbound.plane.apply({ type: 'connections', id: 1 });
  expect(inbound.all('connections').at(-1)?.pods.get('server')?.inbound).toHaveLength(1);
  inbound.plane.apply({ type: 'pod-stop', uid: 'server' });
  expect(inbound.log()).toContain('direction="inbound"');
  inbound.plane.apply({ type: 'report', id: 2 });
  expect(inbound.all('report').at(-1)?.openSockets).toEqual({ source: 0, destination: 0 });
});

test('no certificate: asked for once, then every connection fails at once', async () => {
  const outbound = startPlane('client');
  const calls = [await callServer(), await callServer()];
  await soon(() => expect(outbound.all('certificate-wanted')).toHaveLength(1));
  const { identity } = material.client;
  outbound.plane.apply({ type: 'certificate-unavailable', identity, message: 'no CA' });
  calls.push(await callServer());
  await soon(() => expect(calls.every(({ over }) => over())).toBe(true));
  await soon(() => expect(outbound.log().split('error="identity error: no CA"')).toHaveLength(4));
  expect(outbound.all('certificate-wanted')).toEqual([{ type: 'certificate-wanted', identity }]);
});

test('a port that is taken fails the pod and leaves nothing bound', () => {
  using taken = {
    fd: listenTcp(serverPod, { ip: '::', port: 15_006, reusePort: false }).fd,
    [Symbol.dispose]: () => closeDescriptor(taken.fd),
  };
  const inbound = startPlane('server');
  expect(inbound.all('pod-failed').map(({ message }) => message)).toEqual([expect.stringContaining('[::]:15006')]);
  const listening = serverPod.run(() => execFileSync('sh', ['-c', 'ss -lntH'], { encoding: 'utf8' }));
  expect(listening.trim().split('\n')).toHaveLength(1);
});

test('a batch that denies a running connection cuts it, and the denial is told with its explanation', async () => {
  const ends: string[] = [];
  await startApplication((socket) => {
    socket.pipe(socket);
    socket.on('error', (error: NodeJS.ErrnoException) => ends.push(error.code ?? ''));
  });
  const { inbound } = startBoth();
  const call = await callServer();
  await soon(() => expect(call.received()).toBe('hello'));
  const rules = [[[{ principals: [{ kind: 'exact', value: 'cluster.local/ns/default/sa/other' }] }]]] as const;
  const allow = {
    name: 'allow',
    namespace: 'default',
    scope: 'WorkloadSelector',
    action: 'Allow',
    dryRun: false,
  } as const;
  inbound.plane.apply({
    type: 'batch',
    changes: [
      { type: 'policy', policy: { ...allow, rules } },
      { type: 'workload', workload: { ...server, authorizationPolicies: ['default/allow'] }, endpoints: [] },
    ],
  });
  await soon(() => expect(call.over()).toBe(true));
  await soon(() => expect(ends).toEqual(['ECONNRESET']));
  expect(inbound.log()).toContain('error="connection closed due to policy change"');
  inbound.plane.apply({ type: 'denials', id: 3 });
  const [answer] = inbound.all('denials');
  expect(answer).toMatchObject({ id: 3, denials: [{ kind: 'cut', count: 1, pod: { name: 'server' } }] });
  expect(answer?.denials[0]?.explanation?.nearest).toMatchObject({ policy: 'default/allow', rule: 0 });
  expect(answer?.denials[0]?.reason).toBe('allow policies exist, but none allowed');
});

test('a batch in parts: connections that come before the last part see nothing of it', async () => {
  await startApplication();
  const { inbound } = startBoth();
  const deny = { name: 'deny', namespace: 'default', action: 'Deny', dryRun: false, rules: [[]] } as const;
  inbound.plane.apply({
    type: 'batch-part',
    changes: [{ type: 'policy', policy: { ...deny, scope: 'Global' } }],
  });
  expect(inbound.all('batch-taken')).toHaveLength(1);
  const call = await callServer();
  await soon(() => expect(call.received()).toBe('hello'));
  expect(call.over()).toBe(false);
  inbound.plane.apply({ type: 'batch', changes: [] });
  await soon(() => expect(call.over()).toBe(true));
  await soon(() => expect(inbound.all('batch-taken')).toHaveLength(2));
  const late = await callServer();
  await soon(() => expect(late.over()).toBe(true));
  expect(late.received()).toBe('');
});

test('a certificate without the root that the peer was verified by ends its tunnel', async () => {
  await startApplication();
  const successor = await createAuthority();
  const { inbound } = startBoth();
  const call = await callServer();
  await soon(() => expect(call.received()).toBe('hello'));
  inbound.plane.apply({ type: 'certificate', certificate: { ...material.server, rootsPem: [successor.rootPem] } });
  await soon(() => expect(call.over()).toBe(true));
  expect(inbound.log()).toContain('error="connection closed: peer certificate leads to no trust root any more"');
});
