import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  bindIn,
  capturePackets,
  closeDescriptor,
  connectIn,
  connectSeqpacket,
  listenIn,
  listenSeqpacket,
  listenTcp,
  listenUdp,
  Namespace,
  openTcp,
  openUdp,
  probe,
} from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'leaks-'));
let namespace: Namespace;
beforeAll(() => {
  namespace = Namespace.create();
  namespace.run(() => execFileSync('ip', ['link', 'set', 'lo', 'up']));
});
afterAll(() => {
  namespace.close();
  rmSync(folder, { recursive: true, force: true });
});

const openDescriptors = (): number => readdirSync('/proc/self/fd').length;
const refused = (errno: string): unknown => expect.objectContaining({ errno });
const invalid = expect.objectContaining({ code: 'NETNS_INVALID_ARGUMENT' });

const TIMES = 10_000;
/** Made once a round below. */
const OPERATIONS_A_ROUND = 33;
/** Of what makes its caller wait for all processors: ending a namespace, ending a capture. */
const SLOW_ROUNDS = 30;

test(`${TIMES} operations of all kinds, failing and cancelled ones among them, leave no descriptor`, async () => {
  const server = createServer((socket) => socket.on('error', () => undefined).resume());
  const { port } = await listenIn(namespace, server, { ip: '::', port: 0 });
  const packets = listenSeqpacket(join(folder, 'leaks.sock'));
  probe();
  const before = openDescriptors();
  const rounds = Math.ceil(TIMES / OPERATIONS_A_ROUND);
  for (let round = 0; round < rounds; round += 1) {
    descriptorsOfAllKinds(port);
    failingOnes(port);
    namespaces();
    await nodeSockets(port);
    await sequencedPackets(packets.path, () => packets.accept());
    if (round % Math.ceil(rounds / SLOW_ROUNDS) === 0) await slowOnes();
  }
  // Connections that were cut are closed by their server in its own time.
  await expect.poll(openDescriptors, { timeout: 5_000 }).toBe(before);
  packets.close();
  server.close();
  await once(server, 'close');
}, 20_000);

/** 7 operations. */
function descriptorsOfAllKinds(port: number): void {
  const made = [
    listenTcp(namespace, { ip: '::', port: 0, mark: 1_337, transparent: 'require' }),
    listenTcp(namespace, { ip: '127.0.0.1', port: 0, reusePort: false }),
    openTcp(namespace, { family: 4, mark: 1_337, source: '10.77.0.9' }),
    // Its source is given up, so two sockets are made and one is closed.
    openTcp(namespace, { family: 4, source: '::1' }),
    openTcp(namespace, { family: 6, source: '::1', requireSource: true }),
    listenUdp(namespace, { ip: '127.0.0.1', port }),
    openUdp(namespace, { family: 6, mark: 1_337 }),
  ];
  for (const { fd } of made) closeDescriptor(fd);
}

/** 9 operations. */
function failingOnes(port: number): void {
  expect(() => listenTcp(namespace, { ip: '::', port, reusePort: false })).toThrow(refused('EADDRINUSE'));
  expect(() => listenTcp(namespace, { ip: '192.0.2.1', port: 1 })).toThrow(refused('EADDRNOTAVAIL'));
  expect(() => listenTcp(namespace, { ip: '::', port: 70_000 })).toThrow(invalid);
  expect(() => listenTcp(namespace, { ip: '::', port: 0, mark: 2 ** 32 })).toThrow(invalid);
  expect(() => listenUdp(namespace, { ip: '192.0.2.1', port: 0 })).toThrow(refused('EADDRNOTAVAIL'));
  expect(() => listenUdp(namespace, { ip: '127.0.0.1', port: 0, device: 'none0' })).toThrow(refused('ENODEV'));
  expect(() => openTcp(namespace, { family: 4, userTimeoutMs: -1 })).toThrow(invalid);
  expect(() => openTcp(namespace, { family: 6, source: 'ff02::1', requireSource: true })).toThrow(refused('EINVAL'));
  expect(() => openUdp(namespace, { family: 4, device: 'none0' })).toThrow(refused('ENODEV'));
}

/** 6 operations. */
function namespaces(): void {
  using again = Namespace.open(`/proc/self/fd/${namespace.fd}`);
  expect(again.sameAs(namespace)).toBe(true);
  expect(() => Namespace.open('/run/netns/no-such-namespace')).toThrow(refused('ENOENT'));
  using mounts = Namespace.open('/proc/self/ns/mnt');
  expect(() => listenTcp(mounts, { ip: '::', port: 0 })).toThrow(refused('EINVAL'));
  expect(() =>
    again.run(() => {
      throw new Error('inside');
    }),
  ).toThrow('inside');
  expect(() => again.run(() => Promise.resolve())).toThrow(expect.objectContaining({ code: 'NETNS_ASYNC_CALLBACK' }));
}

/** 6 operations. */
async function nodeSockets(port: number): Promise<void> {
  const cancel = new AbortController();
  const cut = connectIn(namespace, { host: '127.0.0.1', port, signal: cancel.signal });
  cancel.abort(new Error('cut'));
  await expect(cut).rejects.toThrow('cut');
  await expect(connectIn(namespace, { host: '127.0.0.1', port: 9 })).rejects.toEqual(refused('ECONNREFUSED'));
  const connected: Socket = await connectIn(namespace, { host: '::1', port });
  connected.destroy();
  await expect(listenIn(namespace, createServer(), { ip: '::', port })).rejects.toEqual(refused('EADDRINUSE'));
  const datagrams = await bindIn(namespace, 'udp4', { ip: '127.0.0.1' });
  const taken = { ip: '127.0.0.1', port: datagrams.address().port };
  await expect(bindIn(namespace, 'udp4', taken)).rejects.toEqual(refused('EADDRINUSE'));
  datagrams.close();
  await once(connected, 'close');
}

async function slowOnes(): Promise<void> {
  probe();
  Namespace.create().close();
  const cut = new AbortController();
  const unread = capturePackets(namespace, { interface: 'lo', signal: cut.signal });
  await unread[Symbol.asyncIterator]().return?.();
  const waiting = capturePackets(namespace, { signal: cut.signal })[Symbol.asyncIterator]().next();
  cut.abort();
  await waiting;
  expect(() => capturePackets(namespace, { interface: 'none0', signal: new AbortController().signal })).toThrow(
    refused('ENODEV'),
  );
}

/** 5 operations. */
async function sequencedPackets(
  path: string,
  accept: () => Promise<Awaited<ReturnType<typeof connectSeqpacket>> | undefined>,
): Promise<void> {
  const [client, peer] = await Promise.all([connectSeqpacket(path), accept()]);
  await client.send(Buffer.from('x'), [namespace.fd, 0]);
  const packet = await peer?.receive({ maxDescriptors: 1 });
  for (const fd of packet?.fds ?? []) closeDescriptor(fd);
  const cancel = new AbortController();
  const cancelled = client.receive({ signal: cancel.signal });
  cancel.abort(new Error('cancelled'));
  await expect(cancelled).rejects.toThrow('cancelled');
  client.close();
  peer?.close();
}
