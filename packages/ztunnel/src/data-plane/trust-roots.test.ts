/** Changed trust roots against running tunnels, with real sockets and real TLS. */
import { once } from 'node:events';
import { Socket } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { HboneConnection } from '../inbound/hbone-connection.ts';
import { OutboundConnection } from '../outbound/outbound-connection.ts';
import { workload } from '../state/fixtures.ts';
import { cutUntrustedTunnels } from './peer-trust.ts';
import { DRAINED } from './pod.ts';
import type { CertificateMaterial } from './protocol.ts';
import {
  createAuthority,
  createTestPod,
  issueMaterial,
  listen,
  listenSockets,
  type TestPod,
} from './testing/test-pod.ts';

const undos: (() => void)[] = [];
const cleanup = (undo: () => void): void => void undos.push(undo);
afterEach(() => {
  for (const undo of undos.splice(0).toReversed()) undo();
});

const [authority, successor] = await Promise.all([createAuthority(), createAuthority()]);
const [issuedToServer, issuedToClient] = await Promise.all([
  issueMaterial(authority, 'default'),
  issueMaterial(authority, 'client'),
]);
const [OLD, NEW] = [authority.rootPem, successor.rootPem];
const CLIENT = { name: 'client', namespace: 'default', serviceAccount: 'client' };
const LOST = 'error="connection closed: peer certificate leads to no trust root any more"';

const withRoots = (material: CertificateMaterial, ...rootsPem: string[]): CertificateMaterial => {
  return { ...material, rootsPem };
};

/** Waits for what is about to be. */
const until = (check: () => void): Promise<void> => vi.waitFor(check, { interval: 2, timeout: 5000 });

/** Two pods that trust both authorities; what the client's application sends leaves through a tunnel, and comes back. */
async function meshOfTwo() {
  const inbound = createTestPod();
  const outbound = createTestPod({ info: CLIENT });
  const inboundPort = await listen((plain) => inbound.serve(new HboneConnection(inbound.pod, plain)), cleanup);
  const port = await listen((plain) => outbound.serve(new OutboundConnection(outbound.pod, plain)), cleanup);
  prepare(inbound, withRoots(issuedToServer, OLD, NEW));
  prepare(outbound, withRoots(issuedToClient, OLD, NEW));
  outbound.routes.set('127.0.0.1:15008', inboundPort);
  const applicationEnds: string[] = [];
  const application = await listenSockets((socket) => {
    socket.on('error', (error: NodeJS.ErrnoException) => void applicationEnds.push(error.code ?? error.message));
    socket.on('end', () => void applicationEnds.push('FIN'));
    socket.pipe(socket);
  }, cleanup);
  inbound.routes.set(`127.0.0.1:${port}`, application);
  return { inbound, outbound, port, applicationEnds };
}

function prepare(made: TestPod, certificate: CertificateMaterial): void {
  made.state.putWorkload(workload({ name: 'server', ips: ['127.0.0.1'] }), []);
  made.state.putWorkload(workload({ name: 'client', serviceAccount: 'client', ips: ['127.0.0.9'] }), []);
  made.context.certificates.put(certificate);
  cleanup(() => {
    for (const connection of made.connections) connection.cut(DRAINED);
    made.pod.pool.close();
  });
}

/** As the data plane does with the control thread's message. */
function renew({ context, connections, pod }: TestPod, certificate: CertificateMaterial): boolean {
  const lost = context.certificates.put(certificate);
  for (const connection of connections) connection.recheckPeer?.();
  for (const _ of cutUntrustedTunnels(pod.pool, context));
  return lost;
}

async function call(port: number, text: string) {
  const socket = new Socket({ allowHalfOpen: true });
  const chunks: Buffer[] = [];
  let over = false;
  let end: string | undefined;
  socket.on('error', (error: NodeJS.ErrnoException) => void (end ??= error.code));
  socket.on('data', (chunk: Buffer) => void chunks.push(chunk));
  socket.on('end', () => {
    over = true;
    end ??= 'FIN';
  });
  socket.on('close', () => void (over = true));
  cleanup(() => socket.destroy());
  socket.connect({ port, host: '127.0.0.1' });
  await once(socket, 'connect');
  socket.write(text);
  return { socket, received: () => Buffer.concat(chunks).toString(), over: () => over, end: () => end };
}

const flags = (made: TestPod): (string | undefined)[] =>
  made.context.counters
    .drain()
    .filter(({ failed }) => failed > 0)
    .map(({ labels }) => labels.find(([name]) => name === 'response_flags')?.[1]);

test.each(['inbound', 'outbound'] as const)(
  "%s: the root of the peer's authority is gone: its tunnels end, and its application sees a reset",
  async (side) => {
    const mesh = await meshOfTwo();
    const { received, over, end } = await call(mesh.port, 'one');
    await until(() => expect(received()).toBe('one'));
    const issued = side === 'inbound' ? issuedToServer : issuedToClient;
    expect(renew(mesh[side], withRoots(issued, NEW))).toBe(true);
    await until(() => expect(over()).toBe(true));
    await until(() => expect(mesh[side].lines()).toEqual([expect.stringContaining(LOST)]));
    const ends = (): unknown => (side === 'inbound' ? mesh.applicationEnds[0] : end());
    await until(() => expect(ends()).toBe('ECONNRESET'));
    expect(flags(mesh[side])).toEqual(['TLS_FAILURE']);
    await until(() => expect(mesh.outbound.pod.pool.connectionCount).toBe(0));
  },
);

test('a root comes, another that nobody is below of goes, and the certificate is renewed: nothing ends', async () => {
  const { inbound, outbound, port } = await meshOfTwo();
  const { socket, received } = await call(port, 'one');
  await until(() => expect(received()).toBe('one'));
  const third = await createAuthority();
  expect(renew(inbound, withRoots(issuedToServer, OLD, NEW, third.rootPem))).toBe(false);
  expect(renew(inbound, withRoots(issuedToServer, OLD))).toBe(true);
  expect(renew(outbound, withRoots(await issueMaterial(authority, 'client'), OLD))).toBe(true);
  expect(renew(outbound, { ...issuedToClient, chainPem: 'rubbish', rootsPem: [NEW] })).toBe(false);
  socket.write(' two');
  await until(() => expect(received()).toBe('one two'));
  expect([...inbound.lines(), ...outbound.lines()]).toEqual([]);
});

test('a root that is gone with the certificate that comes after a time without any', async () => {
  const { inbound, port } = await meshOfTwo();
  const { received, over } = await call(port, 'one');
  await until(() => expect(received()).toBe('one'));
  inbound.context.certificates.unavailable(issuedToServer.identity, 'the authority is away');
  for (const connection of inbound.connections) connection.recheckPeer?.();
  expect(inbound.lines()).toEqual([]);
  expect(renew(inbound, withRoots(issuedToServer, NEW))).toBe(true);
  await until(() => expect(over()).toBe(true));
  expect(inbound.lines()).toEqual([expect.stringContaining(LOST)]);
});

test.each(['inbound', 'outbound'] as const)('%s: a root that goes during the handshake: no tunnel', async (side) => {
  const mesh = await meshOfTwo();
  const { context } = mesh[side];
  const { revocations } = context;
  // Asked when the chain has been verified against the roots of before.
  vi.spyOn(revocations, 'refusal').mockImplementationOnce(() => {
    context.certificates.put(withRoots(side === 'inbound' ? issuedToServer : issuedToClient, NEW));
    return undefined;
  });
  const { over, received } = await call(mesh.port, 'one');
  await until(() => expect(over()).toBe(true));
  expect(received()).toBe('');
  await until(() => expect(mesh[side].lines()[0]).toContain('peer certificate leads to no trust root any more'));
  expect(mesh.outbound.pod.pool.connectionCount).toBe(0);
});
